target "default" {
  output = ["type=image,name=x", "type=oci,dest=o.tar"]
}
