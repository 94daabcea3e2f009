target "default" {
  args = {
    value = join("-", [<<A
x
A
      , "y"])
  }
}
