variable "R" {
  default = "reg"
}
function "tag" {
  params = [n]
  result = ["${R}/${n}:latest"]
}
target "default" {
  tags = tag("app")
}
