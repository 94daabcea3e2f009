targett "default" {}
