target "default" {
  args = {
    value = jsonencode([formatdate("EEEE, DD MMM YYYY hh:mm:ss ZZZ", "2024-01-02T23:12:01+02:00"), formatdate("D M YY h 'o''clock' aa Z", "2024-02-29T01:02:03Z"), timeadd("2024-01-02T23:12:01+02:00", "1h30m"), formattimestamp("X", "2024-01-02T23:12:01Z"), formattimestamp("YYYY", 0)])
  }
}
