target "default" {
  args = {
    value = homedir()
  }
}
