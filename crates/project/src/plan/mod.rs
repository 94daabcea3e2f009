//! Plan files: images, their variants, architectures and build commands.
