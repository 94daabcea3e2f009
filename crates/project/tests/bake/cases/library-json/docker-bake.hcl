target "default" {
  args = {
    value = jsonencode(jsondecode("{\"b\": [1, 2.50, null, true], \"a\": \"<\"}"))
  }
}
