target "app" {
  name = "app-${v}-${w}"
  matrix = {
    v = ["a", "b"]
    w = ["x", "y"]
  }
  args = { V = v, W = w }
}
