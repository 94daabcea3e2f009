target "default" {
  args = {
    value = "a ${~ "b" ~} c %{~ if true ~} d %{~ endif ~} e"
  }
}
