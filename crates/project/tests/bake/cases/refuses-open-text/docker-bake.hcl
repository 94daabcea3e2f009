target "default" {
  target = "a
}
