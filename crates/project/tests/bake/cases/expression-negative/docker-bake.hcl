target "default" {
  args = {
    value = -(-2) - -3
  }
}
