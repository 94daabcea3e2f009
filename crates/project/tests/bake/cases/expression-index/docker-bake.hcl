target "default" {
  args = {
    value = [["a"], ["b", "c"]][1][1]
  }
}
