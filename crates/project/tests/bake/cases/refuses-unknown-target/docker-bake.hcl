target "release" {}
