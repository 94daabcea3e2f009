target "default" {
  args = {
    value = jsonencode({for k, v in { a = 1, b = 2 }: v => k})
  }
}
