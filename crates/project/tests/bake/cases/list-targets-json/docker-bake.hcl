variable "A" {
  default = "x"
  description = "An a"
}
variable "LONGER_NAME" {
  type = list(string)
  default = ["a", "b"]
}
variable "N" {
  type = number
}
group "all" {
  description = "Both"
  targets = ["b", "a"]
}
target "a" {
  description = "First"
}
target "b" {}
target "_hidden" {}
