//! Test-only help: witnesses we did not write, fixture images, comparisons of images, a corpus of cases.

pub mod canonical;
pub mod corpus;
pub mod fixtures;
pub mod tools;
