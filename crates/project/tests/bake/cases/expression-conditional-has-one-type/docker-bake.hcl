target "default" {
  args = {
    value = jsonencode([true ? 1 : "a", false ? "a" : true])
  }
}
