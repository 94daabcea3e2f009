group "default" {
  description = "All"
  targets = ["a"]
}
target "a" {}
