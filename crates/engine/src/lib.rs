//! Resolves bases, executes graphs, assembles images and writes them to where they are wanted.
//!
//! The walk of a build is [`Engine::build`]; read on from there: `contexts` and `bases` bring what a plan needs, `execute`
//! runs a plan's steps, `steps` says what each does to its parent's tree (`copy`, `unpack`, `owner` on an `overlay`),
//! `assemble` makes images of the layers, `output` and `sink` write them. `inspect` stops before the first step and says what
//! it found.

mod archive;
mod assemble;
mod bases;
mod build;
mod cancel;
mod contexts;
mod copy;
mod download;
mod encode;
mod error;
mod event;
mod execute;
mod inspect;
mod layers;
mod layout;
mod members;
mod outbound;
mod output;
mod overlay;
mod owner;
mod request;
mod sink;
mod snapshot;
mod steps;
mod unpack;
mod warm;

pub use build::{BuildReport, Engine};
pub use copy::CopyError;
pub use error::{Error, ErrorKind};
pub use event::{Event, EventSink, Silent, VertexId};
pub use graph::{Outline, OutlineArg, OutlineSecret, Target};
pub use inspect::{Checked, Outlined, Targets};
pub use owner::OwnerError;
pub use request::{
    Annotation, AnnotationLevel, ArchiveOptions, BuildRequest, ContextSource, Destination, DockerfileSource, ImageForm,
    ImageOptions, Output, PullPolicy, RunPolicy, SandboxOptions, TimestampPolicy,
};
