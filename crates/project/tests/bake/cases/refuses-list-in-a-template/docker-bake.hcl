target "default" {
  args = { A = "x${["a"]}" }
}
