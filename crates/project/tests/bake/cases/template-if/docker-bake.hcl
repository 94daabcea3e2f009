target "default" {
  args = {
    value = "%{ if 1 < 2 }yes%{ else }no%{ endif }"
  }
}
