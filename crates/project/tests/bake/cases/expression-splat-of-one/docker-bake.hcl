target "default" {
  args = {
    value = jsonencode({ a = 1 }[*].a)
  }
}
