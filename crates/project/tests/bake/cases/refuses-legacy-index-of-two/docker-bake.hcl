target "default" {
  args = { A = [["a"]].0.0 }
}
