target "app" {
  args = { A = "1" }
  tags = ["a"]
  platforms = ["linux/amd64"]
  cache-from = ["x"]
  secret = ["id=s,env=HOME"]
}
target "app-two" {}
