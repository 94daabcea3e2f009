variable "X" {
  type = string
  default = "x"
}
variable "X_JSON" {
  default = "j"
}
target "default" {
  args = { X = X, J = X_JSON }
}
