target "default" {
  args = {
    value = jsonencode(true ? [] : ["a"])
  }
}
