target "default" {
  args = {
    value = -7 % 3
  }
}
