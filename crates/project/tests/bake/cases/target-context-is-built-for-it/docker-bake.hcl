target "base" {
  output = ["type=docker"]
  tags = ["b"]
}
target "default" {
  contexts = { base = "target:base" }
}
