target "default" {
  args = { B = "2" }
  tags = ["b"]
}
