target "default" {
  args = {
    value = "a${"b${"c"}"}"
  }
}
