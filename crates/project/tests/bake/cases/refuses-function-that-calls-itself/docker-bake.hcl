function "f" {
  params = [x]
  result = f(x)
}
target "default" {
  args = { A = f(1) }
}
