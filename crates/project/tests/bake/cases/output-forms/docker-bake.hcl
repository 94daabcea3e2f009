target "default" {
  output = ["type=image,push=true", "dir", "-", { type = "oci", dest = "x.tar" }]
}
