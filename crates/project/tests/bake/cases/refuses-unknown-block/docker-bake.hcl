targett "default" {}
target "default" {}
