target "default" {
  args = {
    value = "%{ for x in ["a", "b"] }<${x}>%{ endfor }"
  }
}
