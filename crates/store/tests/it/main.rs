//! The store as its users see it.

mod archives;
mod blobs;
mod garbage;
mod hostile;
mod processes;
mod stat;
mod support;
mod tags;
mod trees;
