//! Hostile archives, contexts, base images and output directories: whatever they try, nothing outside of the tree is read or
//! written. Every build of this file is made between canaries (see `bench`), which are compared afterwards.

mod archives;
mod bases;
mod bench;
mod contexts;
mod deep;
mod names;
mod outputs;
#[path = "../../../layer/tests/common/raw.rs"]
#[allow(dead_code, reason = "another test program uses the rest")]
mod raw;
mod sizes;
