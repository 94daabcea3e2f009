target "default" {
  output = ["out"]
}
