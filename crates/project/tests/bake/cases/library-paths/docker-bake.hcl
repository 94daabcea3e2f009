target "default" {
  args = {
    value = jsonencode([basename("/a/b/"), dirname("/a/b/"), basename(""), dirname("a"), dirname("a/../b/c"), sanitize("a.b/c:d_e-f")])
  }
}
