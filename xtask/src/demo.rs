//! The main job on a real input: the repository's own image.

use crate::dist;
use crate::process::{command, root, run as step};

const NEXT: &str = "
The image shipsmith:demo is in the local store. Next:
  dist/shipsmith images                               what the store holds
  dist/shipsmith inspect shipsmith:demo               its config and layers
  dist/shipsmith build -t shipsmith:demo --load .     hand it to a Docker engine, then:
  docker run --rm shipsmith:demo --version            run it
  dist/shipsmith build -t REGISTRY/NAME:TAG --push .  push it
";

/// Builds the binary, then lets it build its own image from the Dockerfile in the root.
pub(crate) fn run() -> Result<(), String> {
    dist::run()?;
    let binary = root().join("dist/shipsmith");
    step(command(&binary.to_string_lossy()).args(["build", "-t", "shipsmith:demo", "."]))?;
    println!("{NEXT}");
    Ok(())
}
