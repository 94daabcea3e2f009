//! Dockerfiles as text and as values: what BuildKit's Dockerfile frontend reads, read the same way.
//!
//! [`parse`] turns a [`Source`] into a [`Dockerfile`]: stages of instructions made of unexpanded words, each with its
//! place. [`expand`] gives words their values, [`ignore`] reads `.dockerignore` files, [`git`] names of
//! repositories. Nothing here does any I/O.

pub mod ast;
mod duration;
pub mod error;
pub mod expand;
pub mod git;
pub mod ignore;
pub mod limits;
pub mod lint;
mod parse;
mod print;
mod quantity;
pub mod source;
mod suggest;

pub use ast::{
    ArgDecl, Assignment, CommandLine, Device, Directives, Dockerfile, Flag, Healthcheck, Heredoc, Instruction, Keyword,
    Kind, Mount, MountField, MountKind, Network, OnbuildTrigger, Probe, ResolvedMount, Run, Security, Sharing, Stage,
    Transfer, Word,
};
pub use duration::GoDuration;
pub use error::{Error, ErrorKind, FlagError, HealthcheckError, MountError, Problem};
pub use parse::{parse, parse_onbuild};
pub use source::{Excerpt, Position, Source, Span, Spanned};
pub use suggest::did_you_mean;
