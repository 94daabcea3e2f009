target "default" {
  context = "./a/../b//c/"
}
