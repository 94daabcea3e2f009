target "default" {
  args = { A = bcrypt("x") }
}
