target "default" {
  args = {
    value = { "a b" = 1 }["a b"]
  }
}
