//! Carries out a batch, and says what came of it.

use std::io::{self, Write as _};
use std::sync::Arc;

use engine::{Batch, Engine, EventSink, JobOutcome, JobReport};

use crate::failure::{Exit, Failure};
use crate::render::{progress_of_many, table};
use crate::request::Display;

/// Builds all, side by side.
pub(super) async fn carry_out(engine: &Engine, batch: &Batch, display: Display) -> Result<Vec<JobReport>, Failure> {
    let sink: Arc<dyn EventSink> = Arc::from(progress_of_many(display));
    Ok(engine.build_all(batch, sink).await?)
}

/// Tells of every image how it ended, of those that failed why, and the exit code that it comes to: that of the first
/// failure.
pub(super) fn close(reports: Vec<JobReport>, display: Display, causes: bool) -> Result<Exit, Failure> {
    if matches!(display, Display::Plain | Display::Tty) {
        let _gone = io::stderr().write_all(table(&reports).as_bytes());
    }
    let total = reports.len();
    let missing = reports.iter().filter(|report| !matches!(report.outcome, JobOutcome::Done(_))).count();
    let mut failures = reports.into_iter().filter_map(failure);
    let Some(first) = failures.next() else { return Ok(Exit::Done) };
    let exit = first.exit();
    std::iter::once(first).chain(failures).for_each(|failure| failure.report(causes));
    Err(Failure::new(exit, format!("{missing} of {total} images were not built")))
}

fn failure(report: JobReport) -> Option<Failure> {
    match report.outcome {
        JobOutcome::Failed(error) => Some(Failure::from(error).of(&report.name)),
        JobOutcome::Done(_) | JobOutcome::Skipped { .. } => None,
    }
}
