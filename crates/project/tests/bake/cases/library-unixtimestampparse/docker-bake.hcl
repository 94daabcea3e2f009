target "default" {
  args = {
    value = jsonencode(unixtimestampparse(1690328596))
  }
}
