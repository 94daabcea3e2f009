target "default" {
  args = { A = "x${null}" }
}
