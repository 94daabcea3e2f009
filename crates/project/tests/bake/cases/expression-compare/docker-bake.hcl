target "default" {
  args = {
    value = "${1 < 2}${2 <= 1}${1 == 1.0}${"1" == 1}${true != false}"
  }
}
