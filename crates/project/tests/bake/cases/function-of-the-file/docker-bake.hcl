function "inc" {
  params = [n]
  result = n + 1
}
target "default" {
  args = { A = inc(inc(1)) }
}
