variable "X" {
  default = null
}
target "default" {
  args = { X = X }
}
