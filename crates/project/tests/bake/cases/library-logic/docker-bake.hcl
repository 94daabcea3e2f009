target "default" {
  args = {
    value = jsonencode([and(true, false), or(true, false), not(true), equal(1, 1), notequal(1, 2), greaterthan(2, 1), greaterthanorequalto(1, 1), lessthan(2, 1), lessthanorequalto(1, 1)])
  }
}
