//! shipsmith: Dockerfiles to OCI images in one process.
//!
//! The way of a command line: `args` (what was typed), `request` (what it means), `commands`
//! (what is done about it), `render` and `failure` (what is shown of it). Nothing but this crate
//! prints.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test, a panic is the message"))]

mod args;
mod commands;
mod failure;
mod render;
mod request;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    engine::become_worker();
    let cli = args::Cli::parse();
    let debug = cli.global.debug;
    let exit = commands::run(cli).unwrap_or_else(|failure| {
        failure.report(debug);
        failure.exit()
    });
    exit.into()
}
