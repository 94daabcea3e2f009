//! `shipsmith doctor`: what this machine offers to RUN, and what would make it offer more.

use sandbox::{Finding, Level};

use super::open_store;
use super::output::print;
use crate::args::GlobalArgs;
use crate::failure::{Exit, Failure};

/// Prints a line per isolation level. Fails when there is none.
pub(crate) fn run(global: &GlobalArgs) -> Result<Exit, Failure> {
    let store = open_store(global)?;
    let report = sandbox::probe(&store.trees_dir()?);
    let findings = report.findings();
    let chosen = report.choose(None).map(|sandbox| sandbox.level()).ok();
    let text: String = findings.iter().map(|finding| line(finding, chosen)).collect();
    print(format!("Isolation of RUN, strongest first:\n{text}"))?;
    Ok(if chosen.is_some() { Exit::Done } else { Exit::Build })
}

/// One level: whether it is there, what it is like, and what is missing.
fn line(finding: &Finding, chosen: Option<Level>) -> String {
    let level = finding.level;
    match &finding.result {
        Ok(sandbox) => {
            let mark = if chosen == Some(level) { "  <- what RUN uses" } else { "" };
            let how =
                if sandbox.has_overlays() { "overlays" } else { "copies: the store's file system has no overlays" };
            format!("  {level:<10} available, {how}{mark}\n")
        }
        Err(error) => {
            let hints = error.hint().map(|hint| format!("{:13}hint: {hint}\n", "")).unwrap_or_default();
            format!("  {level:<10} missing: {error}\n{hints}")
        }
    }
}
