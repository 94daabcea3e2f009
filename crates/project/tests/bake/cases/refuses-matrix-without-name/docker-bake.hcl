target "default" {
  matrix = { v = ["a", "b"] }
}
