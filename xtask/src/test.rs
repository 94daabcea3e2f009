//! Everything that must hold: format, lints, documentation, tests.

use crate::deps;
use crate::process::{cargo, installed, run as step};

/// Runs all checks; the first that fails ends it.
pub(crate) fn run() -> Result<(), String> {
    admit_what_is_missing()?;
    step(cargo().args(["fmt", "--all", "--check"]))?;
    step(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    step(cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    step(cargo().args(["test", "--quiet", "--workspace", "--doc"]))?;
    if installed("cargo-nextest") {
        return step(cargo().args(["nextest", "run", "--workspace", "--no-fail-fast"]));
    }
    step(cargo().args(["test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests"]))
}

fn admit_what_is_missing() -> Result<(), String> {
    let missing = deps::missing();
    if missing.is_empty() {
        return Ok(());
    }
    let line = format!("not tested here, for want of: {}", missing.join(", "));
    if std::env::var_os("CI").is_some_and(|ci| !ci.is_empty() && ci != "false") {
        return Err(format!("{line}; in CI everything must be tested"));
    }
    println!("{line}  (`cargo xtask deps` names the Debian packages)");
    Ok(())
}
