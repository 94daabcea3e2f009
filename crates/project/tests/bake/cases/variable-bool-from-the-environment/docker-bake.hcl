variable "B" {
  default = false
}
target "default" {
  no-cache = B
  args = { B = B ? "yes" : "no" }
}
