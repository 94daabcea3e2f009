variable "VERSION" {}
target "default" {
  tags = ["app:${VERSOIN}"]
}
