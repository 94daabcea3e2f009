//! The measuring: builds the release and the bench, and runs one through the other.

use crate::dist::target_directory;
use crate::process::{cargo, command, root, run as step};

/// Measures, with the bench's own options, into docs/performance.md.
pub(crate) fn run(options: &[String]) -> Result<(), String> {
    let packages = ["--package", "shipsmith", "--package", "shipsmith-bench"];
    step(cargo().args(["build", "--release", "--locked"]).args(packages))?;
    let built = target_directory().join("release");
    let bench = built.join("shipsmith-bench");
    let mut measure = command(&bench.to_string_lossy());
    measure.arg("--binary").arg(built.join("shipsmith")).arg("--out").arg(root().join("docs")).args(options);
    step(&mut measure)
}
