//! Packages: build.yml, content hashes and tags.
//!
//! A package is a directory with a build.yml; its tag is the hash of its content, as LinuxKit computes it, so that existing tags
//! stay valid. The way of a package: [`BuildYml`] is what is written, [`Repository`] what git says of the directory (the only
//! module that asks git), [`Package`] both put together, and [`args`] and [`order`] what a build of it needs besides.

pub mod args;
mod bases;
mod build_yml;
mod depends;
mod digest;
mod error;
mod explain;
mod git;
mod image_config;
mod load;
mod order;
mod package;
mod tag;

pub use bases::bases;
pub use build_yml::{BuildYml, DEFAULTS_FILE, Defaults};
pub use depends::DockerImages;
pub use error::Error;
pub use explain::{Ingredient, difference};
pub use git::Repository;
pub use load::{Options, load};
pub use order::order;
pub use package::{Package, Source};
