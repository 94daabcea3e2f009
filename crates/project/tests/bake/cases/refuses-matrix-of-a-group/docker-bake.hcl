group "default" {
  matrix = { v = ["a"] }
  targets = ["a"]
}
target "a" {}
