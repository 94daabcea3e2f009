variable "X" {}
target "default" {
  args = { X = X, Y = "a${X}b" }
}
