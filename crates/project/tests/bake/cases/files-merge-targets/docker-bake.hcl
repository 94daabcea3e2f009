target "default" {
  args = { A = "1", B = "1" }
  tags = ["a"]
}
