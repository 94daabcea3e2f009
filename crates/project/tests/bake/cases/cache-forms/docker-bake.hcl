target "default" {
  cache-from = ["user/a", "type=registry,ref=user/b", { type = "gha", scope = "x" }, "user/c,user/d"]
  cache-to = [{ type = "inline" }]
}
