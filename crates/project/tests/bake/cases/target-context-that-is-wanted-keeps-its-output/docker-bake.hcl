target "base" {
  output = ["type=docker"]
}
target "app" {
  contexts = { base = "target:base" }
}
