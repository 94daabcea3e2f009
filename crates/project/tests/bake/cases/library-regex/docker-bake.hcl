target "default" {
  args = {
    value = jsonencode([regex("[0-9]+", "ab12"), regex("(\\w)(\\d)", "a1"), regex("(?P<x>\\d)", "a1"), regexall("[a-z]", "a1b"), regex_replace("abc", "(b)", "[$1]")])
  }
}
