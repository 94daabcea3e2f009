target "default" {
  args = {
    value = <<EOT
  a ${1 + 1}
b
EOT

  }
}
