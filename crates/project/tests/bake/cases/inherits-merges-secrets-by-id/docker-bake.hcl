target "a" {
  secret = ["id=x,env=A", "id=y,env=B"]
}
target "default" {
  inherits = ["a"]
  secret = ["id=x,env=C"]
}
