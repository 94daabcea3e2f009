target "default" {
  args = {
    value = jsonencode([replace("a.b.c", ".", "-"), split(",", "a,b,"), split("", "abc"), join("-", ["a"], ["b", "c"]), indent(2, "a\nb")])
  }
}
