target "default" {
  args = {
    value = jsonencode({ a = 1, "b" = 2, (upper("c")) = 3, d : 4 })
  }
}
