target "default" {
  args = {
    value = jsonencode("${[1, 2]}")
  }
}
