target "my_app" {}
