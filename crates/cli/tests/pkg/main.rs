//! Packages, end to end: repositories made by git itself, a real registry, several processes with one store.

mod attestations;
mod bad_input;
mod building;
mod cache;
mod dirty;
mod docker;
mod flags;
mod ground;
mod several;
mod sharing;
mod tags;
