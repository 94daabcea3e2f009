target "default" {
  args = { Y = target.z.context }
}
target "z" {
  context = "zz"
}
