function "all" {
  params = [sep]
  variadic_params = rest
  result = join(sep, rest)
}
target "default" {
  args = { A = all("-", "a", "b"), B = all("+") }
}
