group "default" {
  targets = ["aap"]
}
target "app" {}
