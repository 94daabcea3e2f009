target "a" {
  args = { X = "1" }
  tags = ["t"]
}
target "default" {
  args = { Y = target.a.args.X }
  tags = [for t in target.a.tags: "${t}-b"]
}
