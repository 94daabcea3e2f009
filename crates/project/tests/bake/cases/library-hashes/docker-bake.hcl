target "default" {
  args = {
    value = jsonencode([md5("a"), sha1("a"), sha256("a"), sha512("a")])
  }
}
