target "default" {
  args = {
    value = jsonencode([{ a = { b = 1 } }].*.a.b)
  }
}
