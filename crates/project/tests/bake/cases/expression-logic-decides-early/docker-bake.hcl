target "default" {
  args = {
    value = try((1 / 0 == 1) && false, "none")
  }
}
