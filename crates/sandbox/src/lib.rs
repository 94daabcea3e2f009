//! Runs one process over an image's file system, and does what else has to be done to trees of files that may belong to ids
//! other than the caller's.
//!
//! Everything happens in **workers**: this program executed again under another name, which enters the namespaces of its
//! [`Level`], does one task and exits. A program that uses this room calls [`become_worker`] first thing in `main`.
//!
//! The order to read in: [`Spec`] (what is asked), `spawn` and `wire` (how a worker is started and talks), `worker` (what it
//! does first), `task` (what it is for).

mod error;
mod inside;
mod level;
mod mounts;
mod output;
mod owners;
mod ran;
mod report;
mod sandbox;
mod spawn;
mod spec;
mod stop;
mod sys;
mod task;
mod wire;
mod worker;

pub use error::{Cause, Error};
pub use level::{Level, UnknownLevel};
pub use owners::Owners;
pub use ran::{Changes, Exit, Kept, Ran, Stream};
pub use report::{Finding, Report, probe};
pub use sandbox::Sandbox;
pub use spec::{Mount, MountSource, Network, Process, Secret, Spec, Stack, Times, Ulimit};
pub use stop::Stop;
pub use worker::become_worker;
