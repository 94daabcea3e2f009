target "default" {
  args = { A = "$${B} %%{c}" }
  dockerfile-inline = "RUN echo $${X}"
  annotations = ["a=$${b}"]
}
