target "a" {
  labels = { v = "a" }
}
target "b" {
  inherits = ["a"]
  labels = { v = "b" }
}
target "c" {
  inherits = ["a"]
}
target "default" {
  inherits = ["b", "c"]
}
