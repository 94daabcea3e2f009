target "default" {
  args = {
    value = jsonencode([concat([1], ["a"]), contains(["a"], "a"), distinct(["a", "b", "a"]), element(["a", "b"], 3), flatten([["a"], [["b"]]]), index(["a", "b"], 1), indexof(["a", "b"], "b"), length(["a"]), reverselist(["a", "b"]), slice(["a", "b", "c"], 1, 2), sort(["b", "a"]), chunklist(["a", "b", "c"], 2), compact(["a", ""]), coalesce(null, "a"), coalescelist([], ["a"]), hasindex(["a"], 1)])
  }
}
