target "default" {
  ssh = []
}
