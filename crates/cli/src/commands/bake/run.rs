//! Carries out a batch, one job after the other. To be replaced by the engine's own way, which is side by side.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::{Batch, Command, Engine, EventSink, Job, JobOutcome, JobReport};

use crate::render::progress;
use crate::request::Display;

/// Runs the commands, then the jobs.
pub(super) async fn carry_out(engine: &Engine, batch: &Batch, display: Display) -> Vec<JobReport> {
    let sink: Arc<dyn EventSink> = Arc::from(progress(display));
    let mut failed = BTreeSet::new();
    for (number, command) in batch.commands.iter().enumerate() {
        if !execute(command).await {
            failed.insert(number);
        }
    }
    let mut reports: Vec<JobReport> = Vec::new();
    for job in &batch.jobs {
        let stopped = !batch.keep_going && reports.iter().any(|report| !matches!(report.outcome, JobOutcome::Done(_)));
        let outcome = match job.commands.iter().find(|number| failed.contains(number)) {
            Some(number) => JobOutcome::Skipped { because: batch.commands[*number].name.clone() + " failed" },
            None if stopped => JobOutcome::Skipped { because: "another failed".into() },
            None => build(engine, job, &sink).await,
        };
        reports.push(JobReport { name: job.name.clone(), outcome });
    }
    reports
}

async fn build(engine: &Engine, job: &Job, sink: &Arc<dyn EventSink>) -> JobOutcome {
    match engine.build(&job.request, Arc::clone(sink)).await {
        Ok(report) => JobOutcome::Done(report),
        Err(error) => JobOutcome::Failed(error),
    }
}

/// What the command says goes to standard error, as progress does.
async fn execute(command: &Command) -> bool {
    let Some((program, arguments)) = command.argv.split_first() else { return true };
    let mut child = std::process::Command::new(program);
    child.args(arguments).envs(&command.environment).current_dir(&command.directory).stdin(std::process::Stdio::null());
    child.stdout(std::io::stderr());
    let ended = tokio::task::spawn_blocking(move || child.status()).await;
    matches!(ended, Ok(Ok(status)) if status.success())
}
