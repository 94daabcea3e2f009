target "default" {
  args = {
    value = 0.1 + 0.2
  }
}
