target "default" {
  tags = []
  platforms = []
  output = []
  args = {}
}
