target "default" {
  args = {
    value = jsonencode([try({}.x, 1), can({}.x), can(1)])
  }
}
