target "default" {
  args = {
    value = <<EOT
a\nb "q" $${x}
EOT

  }
}
