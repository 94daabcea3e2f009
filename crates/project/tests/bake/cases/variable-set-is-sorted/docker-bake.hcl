variable "S" {
  type = set(string)
  default = ["b", "a", "b"]
}
target "default" {
  tags = S
}
