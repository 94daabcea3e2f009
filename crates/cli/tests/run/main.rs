//! RUN, end to end: what a command may reach and what it may not, what is left when it ends in whatever way, and when it is not
//! run at all. Every test of an attempt that must fail looks afterwards for mounts, processes and directories that stayed.

mod agents;
mod apt;
mod caching;
mod endings;
mod escape;
mod exports;
mod foreign;
mod kills;
mod levels;
mod links;
mod secrets;
mod support;
mod together;
