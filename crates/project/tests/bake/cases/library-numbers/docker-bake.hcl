target "default" {
  args = {
    value = jsonencode([absolute(-1), ceil(1.2), floor(-1.2), int(-1.7), max(1, 3, 2), min(1, 3, 2), modulo(-5, 3), pow(2, 10), signum(-3), parseint("ff", 16), log(100, 10), negate(1), add(1, 2), subtract(1, 2), multiply(2, 3), divide(1, 4)])
  }
}
