target "base" {
  network = "host"
}
target "default" {
  contexts = { base = "target:base" }
}
