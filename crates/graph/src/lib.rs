//! What a build does, decided before anything is done.
//!
//! [`plan`] lowers a Dockerfile's stages, under a [`Request`] and with the bases resolved so far, to a [`Graph`] of
//! [`Step`]s and the config of the image, as BuildKit's `dockerfile2llb` does. It is a pure function: where it lacks a
//! base it says so ([`Plan::Needs`]) and is called again with it.

mod base;
mod describe;
mod error;
mod mode;
mod op;
mod owner;
mod plan;
mod request;
mod step;
mod targets;

pub use base::{BaseNeed, BaseOrigin, ResolvedBase, ResolvedBases};
pub use dockerfile::git::GitSource;
pub use error::{Error, ErrorKind};
pub use mode::{Change, ModeError, ModeSpec};
pub use op::{
    Access, Base, Below, Copy, CopySource, HttpSource, InlineFile, Input, MakeDir, Mount, MountKind, Op, RunOp,
};
pub use owner::{Id, OwnerSpec};
pub use plan::{Outline, OutlineArg, OutlineSecret, Plan, outline, plan};
pub use request::{NamedContext, Request, RunPolicy, Ulimit};
pub use step::{Graph, Merged, Skipped, Step, StepId, StepKey, StepLabel, merge};
pub use targets::{Target, targets};
