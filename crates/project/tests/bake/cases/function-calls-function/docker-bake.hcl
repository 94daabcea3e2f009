function "a" {
  params = [x]
  result = "a${b(x)}"
}
function "b" {
  params = [x]
  result = "b${x}"
}
target "default" {
  args = { A = a("c") }
}
