target "default" {
  args = {
    value = "a\tb\n\"\\\u00e9\U0001F600"
  }
}
