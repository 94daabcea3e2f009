variable "T" {
  type = tuple([string, number, bool])
}
target "default" {
  args = { A = T[0], B = T[1], C = T[2] }
}
