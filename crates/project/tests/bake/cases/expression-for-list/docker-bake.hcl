target "default" {
  args = {
    value = jsonencode([for i, x in ["a", "b"]: "${i}${x}" if x != "c"])
  }
}
