//! What workers are for.

mod diff;
mod namespace;
mod pack;
mod remove;
mod run;
mod unpack;

use std::fs::File;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::sandbox::Job;
use crate::wire::Channel;
use crate::worker::Descriptors;

pub(crate) use diff::Difference;
pub(crate) use remove::remove;

/// One task, described in full but for the descriptors that come with it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Make a user namespace and wait until its ids are mapped.
    Namespace {
        /// Whether an ordinary user maps itself, and nobody else.
        single: bool,
    },
    /// Unpack a layer, which comes as a tar on the first descriptor, into an empty directory.
    Unpack {
        /// That directory.
        dir: PathBuf,
        /// How.
        form: Form,
        /// The trees below it, base first, where they are at hand.
        below: Option<Vec<PathBuf>>,
    },
    /// Write a tree as a tar to the first descriptor.
    Pack {
        /// Its directory.
        dir: PathBuf,
        /// How it looks.
        form: Form,
    },
    /// Remove a directory with all that is in it.
    Remove {
        /// That directory.
        dir: PathBuf,
    },
    /// Run a process, with standard output, standard error and the archive of the changes as descriptors.
    Run(Box<Job>),
}

/// How trees of unpacked layers look on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Form {
    /// Every owner and every device as in the layer; overlay marks are `trusted.overlay.*`.
    Root,
    /// Every owner as in the layer, seen from inside the user namespace; overlay marks are `user.overlay.*`.
    User,
    /// All files belong to one user, 0:0 seen from inside; overlay marks are `user.overlay.*`.
    Single,
}

impl Form {
    /// Who an owner is on disk.
    pub(crate) fn owner(self, uid: u32, gid: u32) -> (u32, u32) {
        match self {
            Form::Root | Form::User => (uid, gid),
            Form::Single => (0, 0),
        }
    }
}

/// Does it.
pub(crate) fn perform(task: Task, mut fds: Descriptors, channel: &Channel) -> Result<(), Error> {
    match task {
        Task::Namespace { single } => namespace::make(single, channel),
        Task::Unpack { dir, form, below } => unpack::unpack(File::from(fds.next()?), &dir, form, below.as_deref()),
        Task::Pack { dir, form } => pack::pack(&dir, form, File::from(fds.next()?)),
        Task::Remove { dir } => remove::remove(&dir),
        Task::Run(job) => run::run(&job, fds, channel),
    }
}
