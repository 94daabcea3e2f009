target "base-a" {
  args = { X = "a" }
}
target "app" {
  name = "app-${v}"
  matrix = { v = ["a"] }
  inherits = ["base-${v}"]
}
