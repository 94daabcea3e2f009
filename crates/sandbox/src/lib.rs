//! Runs one process over an image's file system, and does what else has to be done to trees of files that may belong to ids
//! other than the caller's.
//!
//! Everything happens in **workers**: this program executed again under another name, which enters the namespaces of its
//! [`Level`], does one task and exits. A program that uses this room calls [`become_worker`] first thing in `main`.
//!
//! # What each level guarantees
//!
//! | the command cannot | root | subuid | single-id | chroot |
//! |---|---|---|---|---|
//! | reach files outside its root, or write through links planted in it | yes | yes | yes | by path |
//! | see the builder's environment, or a process that is not its own | yes | yes | yes | see, for want of `/proc`; but it can signal them |
//! | outlive its step, the builder or a kill of either | yes | yes | yes | yes, but for a kill of init itself |
//! | mount, make namespaces, open devices that are not in the default `/dev` | yes | yes | yes | yes |
//! | have capabilities beyond Docker's default | yes | yes | yes | yes, without `SYS_CHROOT` and `MKNOD` |
//! | make system calls beyond Docker's default profile | yes | yes | yes | by the container's filter |
//! | use descriptors of the builder | yes | yes | yes | yes |
//! | do as root of the machine | no | yes | yes | no |
//! | fill the disk | yes | yes | yes | yes |
//! | have more than 4096 processes, unless `nproc` asks for them | yes | yes | yes | no |
//! | use the network, with [`Network::None`] | yes | yes | yes | refused |
//!
//! Owners, at single-id, are kept beside the files and told to whoever asks, programs of 32 bits included (but for their
//! `stat64`); permissions are not checked against them. `RUN --mount` is refused at chroot. `tests/` holds an attempt for each
//! line but the disk's.
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
mod runtime;
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
pub use runtime::{Runtime, RuntimeProgram, UnknownRuntime};
pub use sandbox::Sandbox;
pub use spec::{Mount, MountSource, Network, Process, Secret, Spec, Stack, Times, Ulimit};
pub use stop::Stop;
pub use worker::become_worker;
