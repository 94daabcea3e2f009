target "a" {
  args = { N = 5 }
}
target "default" {
  args = { T = target.a.args.N == "5" }
}
