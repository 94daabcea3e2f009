//! A level that works here, and what it does.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::output::Output;
use crate::spawn::{Worker, pipe};
use crate::task::{Form, Task, remove};
use crate::wire::Order;
use crate::{Cause, Changes, Error, Exit, Level, Ran, Spec, Stop, Stream};

/// An isolation level that was tried and works, ready to be used from many threads.
#[derive(Debug, Clone)]
pub struct Sandbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    level: Level,
    scheme: String,
    storage: Storage,
    /// Held for as long as workers may want to enter it.
    namespace: Option<OwnedFd>,
}

/// How a root file system is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Storage {
    /// By the kernel.
    Overlay,
    /// As a copy.
    Copies,
}

/// Everything a worker has to know to run a process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub level: Level,
    pub storage: Storage,
    pub spec: Spec,
}

impl Job {
    /// How trees look at this level.
    pub(crate) fn form(&self) -> Form {
        self.level.form()
    }
}

impl Level {
    pub(crate) const fn form(self) -> Form {
        match self {
            Level::Root => Form::Root,
            Level::Subordinate | Level::Chroot => Form::User,
            Level::SingleId => Form::Single,
        }
    }
}

impl Sandbox {
    pub(crate) fn new(level: Level, scheme: String, storage: Storage, namespace: Option<OwnedFd>) -> Sandbox {
        Sandbox(Arc::new(Inner { level, scheme, storage, namespace }))
    }

    /// How strongly it isolates.
    pub fn level(&self) -> Level {
        self.0.level
    }

    /// Names the way in which owners and whiteouts are written to disk: trees of different schemes cannot be mixed. Fit for a
    /// file name.
    pub fn scheme(&self) -> &str {
        &self.0.scheme
    }

    /// Whether the kernel puts layers together; else each step begins with a copy.
    pub fn has_overlays(&self) -> bool {
        self.0.storage == Storage::Overlay
    }

    /// Unpacks one layer, an uncompressed tar, into a new empty directory, as the lower directory of an overlay. On failure
    /// what is in the directory is of no use.
    ///
    /// # Errors
    /// [`Error::NeedsBelow`] for the few layers that mean nothing without those below them; when the tar cannot be read or is
    /// refused, or something cannot be written.
    pub fn unpack(&self, tar: impl Read + Send, dir: &Path) -> Result<(), Error> {
        self.unpack_with(tar, dir, None)
    }

    /// As [`Sandbox::unpack`], for a layer over the trees in `below`, base first; none for a base layer. The result is right over
    /// those trees only: its name is the layer's chainID.
    ///
    /// # Errors
    /// As [`Sandbox::unpack`], but for [`Error::NeedsBelow`].
    pub fn unpack_over(&self, tar: impl Read + Send, dir: &Path, below: &[PathBuf]) -> Result<(), Error> {
        self.unpack_with(tar, dir, Some(below.to_vec()))
    }

    fn unpack_with(&self, mut tar: impl Read + Send, dir: &Path, below: Option<Vec<PathBuf>>) -> Result<(), Error> {
        let (theirs, ours) = pipe()?;
        let task = Task::Unpack { dir: dir.to_owned(), form: self.0.level.form(), below };
        let worker = self.start(task, &[theirs.as_fd()])?;
        drop(theirs);
        let mut to = File::from(ours);
        let copied = io::copy(&mut tar, &mut to);
        drop(to);
        finish_unpacking(worker.done(), copied)
    }

    /// Writes all that is in a tree of this level's scheme as an uncompressed tar, which [`Sandbox::unpack`] takes at any level.
    ///
    /// # Errors
    /// When something in it cannot be read, or `tar` not be written to.
    pub fn pack(&self, dir: &Path, tar: &mut impl Write) -> Result<(), Error> {
        let (ours, theirs) = pipe()?;
        let task = Task::Pack { dir: dir.to_owned(), form: self.0.level.form() };
        let worker = self.start(task, &[theirs.as_fd()])?;
        drop(theirs);
        let copied = io::copy(&mut File::from(ours), tar).map_err(Cause::at("write the tar of a tree"));
        copied.and_then(|_| worker.done())
    }

    /// Removes a directory with all that is in it, whoever owns that. Nothing there is no failure.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn remove(&self, dir: &Path) -> Result<(), Error> {
        match &self.0.namespace {
            Some(_) => self.start(Task::Remove { dir: dir.to_owned() }, &[])?.done(),
            // Nobody could do it better.
            None => remove(dir),
        }
    }

    /// Runs a process until it ends or `stop` is set. `output` gets what it writes, as it comes, in pieces that need not be
    /// lines.
    ///
    /// # Errors
    /// When the sandbox cannot be made as described, or the process had to be ended. A process that fails is no error.
    pub fn run(&self, spec: &Spec, output: &mut (dyn FnMut(Stream, &[u8]) + Send), stop: &Stop) -> Result<Ran, Error> {
        let pipes = Output::new()?;
        let (archive, theirs) = pipe()?;
        let Inner { level, storage, .. } = *self.0;
        let job = Job { level, storage, spec: spec.clone() };
        let upper = (storage == Storage::Overlay).then(|| spec.stack.scratch.join("upper"));
        let (listener, ends) = pipes;
        let mut worker =
            self.start(Task::Run(Box::new(job)), &[ends.output.as_fd(), ends.error.as_fd(), theirs.as_fd()])?;
        drop((ends, theirs));
        match listener.listen(&mut worker, output, stop)? {
            Exit::Code(0) => Ok(Ran::Done(Changes::new(archive.into(), worker, upper))),
            exit => Ok(Ran::Failed(exit)),
        }
    }

    fn start(&self, task: Task, fds: &[BorrowedFd<'_>]) -> Result<Worker, Error> {
        let namespace = self.0.namespace.as_ref().map(AsFd::as_fd);
        let order = Order { namespace: namespace.is_some(), task };
        let fds: Vec<BorrowedFd<'_>> = namespace.into_iter().chain(fds.iter().copied()).collect();
        Worker::start(&order, &fds)
    }
}

/// What the worker says counts: when it gives up, our writing fails for no reason of its own. Else, a layer that could not be
/// read to its end has failed though the worker may not have noticed.
fn finish_unpacking(done: Result<(), Error>, copied: io::Result<u64>) -> Result<(), Error> {
    done?;
    match copied {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Tree { message: format!("cannot read the layer: {error}"), hint: None })
        }
        _ => Ok(()),
    }
}
