target "default" {
  args = {
    value = <<-EOT
      a
        b

      c ${"d"}
    EOT

  }
}
