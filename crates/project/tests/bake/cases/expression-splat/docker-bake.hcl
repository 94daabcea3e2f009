target "default" {
  args = {
    value = jsonencode([{ a = 1 }, { a = 2 }][*].a)
  }
}
