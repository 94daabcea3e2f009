target "a" {
  annotations = ["a=1"]
  cache-from = ["user/a"]
  no-cache-filter = ["s"]
  entitlements = ["network.host"]
  ulimits = ["core=1:1"]
}
target "default" {
  inherits = ["a"]
  annotations = ["b=1"]
  cache-from = ["user/b"]
  no-cache-filter = ["t"]
  entitlements = ["security.insecure"]
  ulimits = ["core=2:2"]
}
