variable "X" {
  type = string
}
target "default" {
  args = { X = X == null ? "none" : X }
}
