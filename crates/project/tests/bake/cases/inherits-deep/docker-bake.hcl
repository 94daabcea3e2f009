target "a" {
  args = { A = "a" }
}
target "b" {
  inherits = ["a"]
  args = { B = "b" }
}
target "default" {
  inherits = ["b"]
  args = { C = "c" }
}
