variable "N" {
  type = string
  default = 5
}
target "default" {
  args = { N = "${N}", E = N == "5" }
}
