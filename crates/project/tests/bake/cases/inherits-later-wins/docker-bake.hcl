target "x" {
  args = { A = "x" }
  target = "x"
}
target "y" {
  args = { A = "y" }
}
target "default" {
  inherits = ["x", "y"]
}
