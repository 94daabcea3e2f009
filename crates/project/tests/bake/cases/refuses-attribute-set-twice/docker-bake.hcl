target "default" {
  target = "a"
  target = "b"
}
