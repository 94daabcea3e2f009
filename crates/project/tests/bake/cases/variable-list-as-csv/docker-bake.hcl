variable "L" {
  type = list(string)
  default = ["a"]
}
target "default" {
  tags = [for x in L: "app:${x}"]
}
