target "default" {
  policy = ["filename=p.rego"]
}
