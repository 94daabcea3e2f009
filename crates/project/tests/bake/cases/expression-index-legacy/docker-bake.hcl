target "default" {
  args = {
    value = ["a", "b"].1
  }
}
