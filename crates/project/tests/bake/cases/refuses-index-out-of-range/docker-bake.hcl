target "default" {
  args = { A = ["a"][1] }
}
