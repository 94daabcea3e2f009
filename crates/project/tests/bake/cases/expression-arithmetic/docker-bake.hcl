target "default" {
  args = {
    value = 1 + 2 * 3 - 4 / 8 % 5
  }
}
