target "default" {
  inherits = ["bsae"]
}
target "base" {}
