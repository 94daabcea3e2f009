target "a" {
  description = "A"
}
target "default" {
  inherits = ["a"]
}
