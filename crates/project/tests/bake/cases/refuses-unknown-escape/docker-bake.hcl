target "default" {
  target = "a\q"
}
