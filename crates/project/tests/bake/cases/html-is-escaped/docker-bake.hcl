target "default" {
  args = { A = "<a>&\"'" }
  labels = { "a b" = "ä\u2028" }
}
