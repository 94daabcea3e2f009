variable "N" {
  default = 1
  validation {
    condition = N > 3
    error_message = "N is too small: ${N}"
  }
}
target "default" {}
