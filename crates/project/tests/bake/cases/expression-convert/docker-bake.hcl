target "default" {
  args = {
    value = jsonencode(convert(["1", "2"], list(number)))
  }
}
