target "default" {
  args = {
    value = jsonencode([base64encode("hé"), base64decode("aMOp"), urlencode("a b&c/d~é")])
  }
}
