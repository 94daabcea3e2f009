target "default" {
  tags = ["a"]
}
