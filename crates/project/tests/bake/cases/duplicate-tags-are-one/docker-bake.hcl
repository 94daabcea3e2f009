target "default" {
  tags = ["a", "b", "a", ""]
}
