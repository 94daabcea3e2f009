target "app" {
  name = "app-${it.n}"
  matrix = {
    it = [{ n = "a", t = ["1"] }, { n = "b", t = ["2", "3"] }]
  }
  tags = it.t
}
