//! Resolves bases, executes graphs, assembles images and writes them to where they are wanted.
//!
//! The walk of a build is [`Engine::build`]; read on from there: `contexts` and `bases` bring what a plan needs, `execute`
//! runs a plan's steps, `steps` says what each does to its parent's tree (`copy`, `unpack`, `owner` on an `overlay`) and
//! `run` how a process does,
//! `assemble` makes images of the layers, `output` and `sink` write them. `inspect` stops before the first step and says what
//! it found.

mod archive;
mod assemble;
mod bases;
mod build;
mod cache;
mod cancel;
mod contexts;
mod copy;
mod download;
mod encode;
mod error;
mod event;
mod execute;
mod framed;
mod inspect;
mod layers;
mod layout;
mod many;
mod members;
mod merge;
mod outbound;
mod output;
mod overlay;
mod owner;
mod package;
mod package_build;
mod package_files;
mod package_images;
mod package_load;
mod package_push;
mod package_remote;
mod record;
mod remote;
mod request;
mod run;
mod sink;
mod snapshot;
mod steps;
mod stored;
mod tags;
mod unpack;
mod warm;

pub use build::{BuildReport, Engine};
pub use buildkit::{
    Address as BuilderAddress, Builder, Container as BuilderContainer, Error as BuilderError, Pruned, Usage,
};
pub use copy::CopyError;
pub use dockerfile::Network;
pub use download::fetch_blob;
pub use error::{Error, ErrorKind};
pub use event::{Event, EventSink, JobState, Silent, VertexId};
pub use graph::{Outline, OutlineArg, OutlineSecret, Target, Ulimit};
pub use inspect::{Checked, Outlined, Targets};
pub use many::{Batch, Command, Job, JobOutcome, JobReport};
pub use merge::merge;
pub use owner::OwnerError;
pub use package::{ContextImages, Goal, How, PackageReport, Policy};
pub use package_push::{PackagePush, PushedPackage};
pub use remote::Builders;
pub use request::{
    Agent, Annotation, AnnotationLevel, ArchiveOptions, BuildRequest, CachePlace, CacheSource, CacheTarget,
    ContextSource, Destination, DockerfileSource, Entitlement, ImageForm, ImageOptions, Output, PullPolicy, RunPolicy,
    SandboxOptions, SecretSource, TimestampPolicy,
};
pub use run::{AgentKey, AgentKeyError, CacheMounts, RunError};
pub use sandbox::{Level, Runtime, become_worker};
