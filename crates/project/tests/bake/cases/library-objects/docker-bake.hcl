target "default" {
  args = {
    value = jsonencode([keys({ b = 1, a = 2 }), values({ b = 1, a = 2 }), lookup({ a = 1 }, "b", 0), merge({ a = 1 }, { a = 2, b = 3 }), zipmap(["a", "b"], [1, 2])])
  }
}
