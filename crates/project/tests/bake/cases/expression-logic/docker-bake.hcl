target "default" {
  args = {
    value = !true || (true && !false)
  }
}
