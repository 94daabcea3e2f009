target "default" {
  output = ["a=b,dest=x"]
}
