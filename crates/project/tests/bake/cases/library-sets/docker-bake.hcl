target "default" {
  args = {
    value = jsonencode([setunion(["b"], ["a"]), setintersection(["a", "b"], ["b"]), setsubtract(["a", "b"], ["b"]), setsymmetricdifference(["a", "b"], ["b", "c"]), setproduct(["a", "b"], [1, 2])])
  }
}
