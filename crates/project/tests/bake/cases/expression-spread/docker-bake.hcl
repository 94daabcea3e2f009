target "default" {
  args = {
    value = max([1, 5, 3]...)
  }
}
