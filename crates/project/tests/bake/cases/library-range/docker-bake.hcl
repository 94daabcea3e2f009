target "default" {
  args = {
    value = jsonencode([range(3), range(3, 1), range(1, 2, 0.5)])
  }
}
