//! The main job and everything around it, end to end: the program as a script runs it, real registries, and witnesses
//! that we did not write.

mod contexts;
mod credentials;
mod determinism;
mod forms;
mod main_job;
mod outputs;
mod platforms;
mod proxies;
mod push;
mod results;
mod store;
mod support;
