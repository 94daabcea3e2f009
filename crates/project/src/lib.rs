//! Many images: what a repository says of its images, and what that makes to be built.
//!
//! [`bake`] reads bake and compose files, [`plan`] plan files, [`pkg`] packages. Each ends in values that say what is wanted;
//! carrying it out is the engine's business.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test, a panic is the message"))]

pub mod bake;
pub mod pkg;
mod place;
pub mod plan;
mod yaml;

pub use place::{Input, Place};
