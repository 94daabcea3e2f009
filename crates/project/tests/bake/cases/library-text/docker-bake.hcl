target "default" {
  args = {
    value = jsonencode([upper("é"), lower("AB"), title("hello-world foo_bar it's"), trim("xxaxx", "x"), trimspace(" a\n"), trimprefix("abc", "a"), trimsuffix("abc", "c"), chomp("a\n\n"), reverse("abc"), strlen("héé"), substr("hello", 1, 3), substr("hello", -3, -1)])
  }
}
