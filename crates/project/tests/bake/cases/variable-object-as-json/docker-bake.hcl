variable "O" {
  type = object({ a = string, b = optional(number) })
  default = { a = "x" }
}
target "default" {
  args = { A = O.a, B = O.b }
}
