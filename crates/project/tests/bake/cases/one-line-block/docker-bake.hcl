target "default" { tags = ["a"] }
