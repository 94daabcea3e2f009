//! Plan files: images, their variants, architectures and build commands.
//!
//! A [`File`] says which images there are, a [`Profile`] what a project's habits are: variables, build arguments, variants,
//! the command that makes files, hubs. With what was asked ([`Ask`]) and what is around ([`Around`]) they make a [`Planned`].
//! Nothing here reads a file or the environment.

mod ask;
mod bases;
mod command;
mod error;
mod expand;
mod file;
mod mapping;
mod planned;
mod profile;
mod tags;
mod values;

pub use ask::{Around, Ask};
pub use error::Error;
pub use file::{Dependency, File, Image};
pub use planned::{Archive, Make, Planned, PlannedImage, Skipped, plan};
pub use profile::Profile;
