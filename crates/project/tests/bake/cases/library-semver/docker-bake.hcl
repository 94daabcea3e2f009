target "default" {
  args = {
    value = jsonencode([semvercmp("1.2.3", ">= 1.2, < 2"), semvercmp("1.2.3", "~1.2"), semvercmp("2.0.0", "^1.0 || 2.x"), semvercmp("1.2.3", "!=1.2.3"), semvercmp("1.5", "1.2 - 1.6")])
  }
}
