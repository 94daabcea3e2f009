target "default" {
  args = {
    value = jsonencode({for x in ["ab", "ac", "b"]: substr(x, 0, 1) => x...})
  }
}
