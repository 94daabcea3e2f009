target default {}
