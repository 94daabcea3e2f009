//! Packages, end to end: repositories made by git itself, a real registry, several processes with one store.

mod bad_input;
mod building;
mod cache;
mod dirty;
mod docker;
#[path = "../e2e/support/engines.rs"]
#[allow(dead_code, reason = "podman and containers are not of interest here")]
mod engines;
mod ground;
mod several;
mod sharing;
mod tags;
