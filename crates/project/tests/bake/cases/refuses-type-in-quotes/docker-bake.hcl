variable "N" {
  type = "string"
}
target "default" {}
