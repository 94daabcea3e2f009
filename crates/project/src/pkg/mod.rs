//! Packages: build.yml, content hashes and tags.
