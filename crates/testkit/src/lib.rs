//! Test-only help: witnesses we did not write, fixture images, comparisons of images, a corpus of cases.

pub mod authority;
pub mod canonical;
pub mod corpus;
pub mod engines;
pub mod environment;
pub mod faulty_proxy;
pub mod fixtures;
pub mod registry_server;
pub mod token_server;
pub mod tools;
