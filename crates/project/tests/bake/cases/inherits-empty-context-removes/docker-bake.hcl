target "a" {
  contexts = { x = "docker-image://alpine" }
}
target "default" {
  inherits = ["a"]
  contexts = { x = "" }
}
