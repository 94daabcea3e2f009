target "default" {
  target = null
  args = { A = null, B = "b" }
}
