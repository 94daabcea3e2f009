target "default" {
  name = "x-${v}"
  matrix = { v = "a" }
}
