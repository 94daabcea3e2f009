target "default" {
  args = {
    value = jsonencode([cidrhost("10.12.127.0/20", 16), cidrhost("10.12.127.0/20", -1), cidrnetmask("172.16.0.0/12"), cidrsubnet("172.16.0.0/12", 4, 2), cidrsubnets("10.1.0.0/16", 4, 4, 8, 4), cidrhost("fd00::/64", 5), cidrsubnet("fd00::/56", 8, 3)])
  }
}
