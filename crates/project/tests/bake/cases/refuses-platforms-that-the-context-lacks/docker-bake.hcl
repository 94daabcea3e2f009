target "b" {
  platforms = ["linux/amd64", "linux/arm64"]
}
target "default" {
  platforms = ["linux/amd64", "linux/s390x"]
  contexts = { b = "target:b" }
}
