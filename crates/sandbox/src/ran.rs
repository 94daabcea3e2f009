//! What came of a process.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::spawn::Worker;

/// Where a process wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Its standard output.
    Output,
    /// Its standard error.
    Error,
}

/// What came of a process that could be started, or could not for reasons of its own.
#[derive(Debug)]
pub enum Ran {
    /// It failed; what it changed is of no use.
    Failed(Exit),
    /// It succeeded.
    Done(Changes),
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself.
    Code(i32),
    /// By a signal: its number and its name, such as `SIGKILL`.
    Signal(i32, String),
    /// It was never started: the program is missing or cannot be executed.
    NotStarted {
        /// What a shell would report: 127 for missing, 126 for not executable.
        code: i32,
        /// One sentence that names the program.
        problem: String,
    },
}

impl Exit {
    /// The number that a shell reports: the code, or 128 and the signal's number.
    pub fn code(&self) -> i32 {
        match self {
            Exit::Code(code) | Exit::NotStarted { code, .. } => *code,
            Exit::Signal(signal, _) => 128 + signal,
        }
    }

    /// Whether all is well.
    pub fn is_success(&self) -> bool {
        *self == Exit::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit code: {code}"),
            Exit::Signal(number, name) => write!(f, "killed by signal {number} ({name})"),
            Exit::NotStarted { code, problem } => write!(f, "exit code: {code}: {problem}"),
        }
    }
}

/// What a process changed: reading gives an uncompressed layer, canonical, computed as it is read.
#[derive(Debug)]
pub struct Changes {
    archive: File,
    worker: Worker,
    upper: Option<PathBuf>,
}

/// What to keep beside the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The directory that holds the changes as a layer's tree; `None` where there is none and the layer has to be unpacked.
    pub upper: Option<PathBuf>,
}

impl Changes {
    pub(crate) fn new(archive: File, worker: Worker, upper: Option<PathBuf>) -> Changes {
        Changes { archive, worker, upper }
    }

    /// Waits for the worker. Only now is it known that the layer is whole: a failure on the other side ends the stream early.
    ///
    /// # Errors
    /// When the changes could not be read.
    pub fn finish(mut self) -> Result<Kept, Error> {
        drop(io::copy(&mut self.archive, &mut io::sink()));
        self.worker.done()?;
        Ok(Kept { upper: self.upper.take() })
    }
}

impl Read for Changes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.archive.read(buffer)
    }
}
