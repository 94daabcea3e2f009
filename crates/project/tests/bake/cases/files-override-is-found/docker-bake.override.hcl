target "default" {
  tags = ["b"]
}
