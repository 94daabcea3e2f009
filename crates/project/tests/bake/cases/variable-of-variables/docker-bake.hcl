variable "A" {
  default = "${B}-a"
}
variable "B" {
  default = upper(C)
}
C = "c"
target "default" {
  args = { A = A }
}
