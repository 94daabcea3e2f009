target "default" {
  args = {
    value = 1 + 2 == 3 && 2 * 2 > 3 ? "y" : "n"
  }
}
