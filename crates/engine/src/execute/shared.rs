//! What the builds of one run share while they execute: steps that are equal, and a budget.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use oci::Digest;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::Error;
use crate::cache::Made;
use crate::snapshot::Snapshot;

/// What became of a step.
#[derive(Clone)]
pub(crate) struct Done {
    pub(crate) snapshot: Arc<Snapshot>,
    /// Of a RUN, what it is known by, and what it made.
    pub(crate) made: Option<Made>,
    /// Whether its layer had to be made.
    pub(crate) fresh: bool,
}

/// A step's result, for all whose step it is.
pub(crate) type Cell = Arc<OnceCell<Result<Done, Arc<Error>>>>;

/// Leave to write a layer, as long as it is kept.
pub(crate) type Turn = OwnedSemaphorePermit;

/// Steps by what they do, each of which is done once; and how many of them at a time.
pub(crate) struct Shared {
    steps: Mutex<BTreeMap<Digest, Cell>>,
    looking: Semaphore,
    writing: Arc<Semaphore>,
    running: Semaphore,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            steps: Mutex::default(),
            // Who looks at a whole tree uses all cores for it.
            looking: Semaphore::new(cores.max(2)),
            writing: Arc::new(Semaphore::new(cores.max(2))),
            // Processes wait for networks and locks, too.
            running: Semaphore::new((4 * cores).max(8)),
        }
    }

    /// The result of the step that is known by `key`.
    pub(super) fn cell(&self, key: &Digest) -> Cell {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(steps.entry(key.clone()).or_default())
    }

    /// Leave to look whether a layer is known.
    pub(super) async fn look(&self) -> Result<SemaphorePermit<'_>, Error> {
        self.looking.acquire().await.map_err(|error| Error::Internal(error.to_string()))
    }

    /// Leave to write a layer.
    pub(super) async fn write(&self) -> Result<Turn, Error> {
        Arc::clone(&self.writing).acquire_owned().await.map_err(|error| Error::Internal(error.to_string()))
    }

    /// Leave to run a process.
    pub(super) async fn run(&self) -> Result<SemaphorePermit<'_>, Error> {
        self.running.acquire().await.map_err(|error| Error::Internal(error.to_string()))
    }
}
