target "default" {
  network = "host"
}
