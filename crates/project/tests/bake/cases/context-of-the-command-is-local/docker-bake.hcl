target "default" {
  context = "cwd://app/."
}
