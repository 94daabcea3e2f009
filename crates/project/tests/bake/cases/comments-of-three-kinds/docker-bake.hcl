# one
// two
/* three
 */
target "default" { # four
  tags = ["a", # five
    "b"] // six
}
