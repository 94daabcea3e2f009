function "add" {
  params = [a, b]
  result = 42
}
target "default" {
  args = { A = add(1, 2) }
}
