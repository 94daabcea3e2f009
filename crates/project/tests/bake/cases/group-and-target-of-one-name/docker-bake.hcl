group "default" {
  targets = ["default", "a"]
}
target "a" {}
target "default" {}
