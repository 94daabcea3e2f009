version = "1.2"
target "default" {
  args = { V = version }
}
