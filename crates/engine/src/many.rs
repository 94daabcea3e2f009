//! Many images in one run: what is asked, and what came of each.
//!
//! A [`Batch`] is a set of builds that share one store, one budget and all work that is the same. Its jobs may need commands
//! that make files for their contexts, and other jobs whose results are contexts of theirs.

mod command;
mod order;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::{BuildReport, BuildRequest, Error};

/// Builds that are carried out together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// What makes files that jobs read; run side by side.
    pub commands: Vec<Command>,
    /// The builds, in the order that reports come in. Names are unique.
    pub jobs: Vec<Job>,
    /// Whether the rest goes on when one fails.
    pub keep_going: bool,
}

/// A program of this machine that makes files, such as `make`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What it is called in the log.
    pub name: String,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// What is added to this process' environment.
    pub environment: BTreeMap<String, String>,
    /// Where it is run.
    pub directory: PathBuf,
}

/// One build among others.
#[derive(Debug, Clone)]
pub struct Job {
    /// What it is called in the log and in reports.
    pub name: String,
    /// What is built. Its named contexts may be [`ContextSource::Job`](crate::ContextSource::Job).
    pub request: BuildRequest,
    /// The commands, by their place in [`Batch::commands`], that have to end well first.
    pub commands: BTreeSet<usize>,
}

/// What came of a job.
#[derive(Debug)]
pub struct JobReport {
    /// The job's name.
    pub name: String,
    /// How it ended.
    pub outcome: JobOutcome,
}

/// How a job ended.
#[derive(Debug)]
pub enum JobOutcome {
    /// It was built, and is where it was wanted.
    Done(Box<BuildReport>),
    /// It failed.
    Failed(Error),
    /// It was not begun, or given up: something that it needs failed, or another job did and the rest does not go on.
    Skipped {
        /// What failed.
        because: String,
    },
}
