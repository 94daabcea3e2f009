target "a" {
  attest = ["type=provenance,mode=max", "type=sbom"]
}
target "default" {
  inherits = ["a"]
  attest = ["type=provenance,mode=min"]
}
