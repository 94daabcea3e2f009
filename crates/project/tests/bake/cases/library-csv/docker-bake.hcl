target "default" {
  args = {
    value = jsonencode(csvdecode("a,b\n1,\"x,y\"\n2,z\n"))
  }
}
