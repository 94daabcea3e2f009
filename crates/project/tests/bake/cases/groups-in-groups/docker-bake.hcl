group "g" {
  targets = ["h", "a"]
}
group "h" {
  targets = ["b"]
}
target "a" {}
target "b" {}
