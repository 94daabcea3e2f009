variable "VS" {
  default = ["1.2", "1.3"]
}
target "app" {
  name = "app-${sanitize(v)}"
  matrix = { v = VS }
}
