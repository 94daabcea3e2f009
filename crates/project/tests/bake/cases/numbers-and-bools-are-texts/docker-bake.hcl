target "default" {
  args = { A = 1, B = true, C = 1.50 }
  labels = { n = 2 }
}
