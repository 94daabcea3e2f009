target "default" {
  secret = ["id=a,src=docker-bake.hcl", "id=b,env=HOME", { id = "c", env = "HOME" }, "id=d,type=env,src=HOME"]
}
