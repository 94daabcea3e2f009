target "default" {
  args = { A = jsonencode(range(1000000000)) }
}
