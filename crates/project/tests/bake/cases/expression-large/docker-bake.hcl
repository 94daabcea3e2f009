target "default" {
  args = {
    value = 123456789012345678901234567890 * 10
  }
}
