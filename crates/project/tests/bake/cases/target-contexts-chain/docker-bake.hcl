target "a" {}
target "b" {
  contexts = { x = "target:a" }
}
target "default" {
  contexts = { x = "target:b", y = "target:a" }
}
