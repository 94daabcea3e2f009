variable "N" {
  default = 5
  validation {
    condition = N > 3
    error_message = "too small"
  }
}
target "default" {
  args = { N = N }
}
