target "default" {
  args = {
    value = jsonencode(formatlist("%s-%s", ["a", "b"], "c"))
  }
}
