target "default" {
  dockerfile = "./a/../Dockerfile"
}
