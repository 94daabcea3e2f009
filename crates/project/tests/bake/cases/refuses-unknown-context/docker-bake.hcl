target "default" {
  contexts = { x = "target:bsae" }
}
target "base" {}
