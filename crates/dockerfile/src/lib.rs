//! Dockerfiles as text and as values.

pub mod ignore;
