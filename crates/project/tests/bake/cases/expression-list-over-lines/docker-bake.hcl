target "default" {
  args = {
    value = join(",", [
      "a",
      "b",
    ])
  }
}
