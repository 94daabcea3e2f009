target "default" {
  args = {
    value = format("%s|%5d|%-5s|%05.2f|%x|%X|%o|%b|%q|%v|%t|%%|%e|%g|%[1]s", "a", 42, "b", 3.14159, 255, 255, 8, 5, "q", [1, "a"], true, 12345.678, 0.00001)
  }
}
