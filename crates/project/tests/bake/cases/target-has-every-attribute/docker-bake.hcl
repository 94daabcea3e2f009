target "default" {
  description       = "All of them"
  annotations       = ["org.example.a=b", "manifest:org.example.c=d"]
  args              = { A = "1" }
  attest            = ["type=sbom", "type=provenance,mode=max"]
  cache-from        = ["user/app:cache"]
  cache-to          = ["type=inline"]
  call              = "check"
  context           = "app"
  contexts          = { base = "docker-image://alpine" }
  dockerfile        = "Dockerfile.app"
  dockerfile-inline = "FROM scratch"
  entitlements      = ["security.insecure"]
  extra-hosts       = { my = "8.8.8.8" }
  labels            = { a = "b" }
  network           = "none"
  no-cache          = true
  no-cache-filter   = ["stage"]
  output            = ["type=docker"]
  platforms         = ["linux/amd64", "linux/arm64"]
  pull              = true
  secret            = ["id=a,env=HOME"]
  shm-size          = "128m"
  tags              = ["user/app"]
  target            = "stage"
  ulimits           = ["nofile=1024:1024"]
}
