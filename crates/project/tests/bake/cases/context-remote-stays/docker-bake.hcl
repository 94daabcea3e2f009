target "default" {
  context = "https://github.com/user/repo.git#main:dir"
}
