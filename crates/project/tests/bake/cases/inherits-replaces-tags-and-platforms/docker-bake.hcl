target "a" {
  tags = ["a"]
  platforms = ["linux/amd64"]
  output = ["type=docker"]
  cache-to = ["type=inline"]
}
target "default" {
  inherits = ["a"]
  tags = ["b"]
  platforms = ["linux/arm64"]
  output = ["type=image"]
  cache-to = ["type=local,dest=c"]
}
