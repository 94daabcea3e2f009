//! Completions and manual pages, from the definitions of the command line.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use super::output::print;
use crate::args::Cli;
use crate::failure::Failure;

const NAME: &str = "shipsmith";

/// `shipsmith completions SHELL`.
pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
    print(script)
}

/// `shipsmith man DIR`: one page per command, `shipsmith-index-create.1` and so on.
pub(super) fn man(directory: &Path) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(|error| Failure::file("create", directory, &error))?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    pages(&command, directory)
}

fn pages(command: &clap::Command, directory: &Path) -> Result<(), Failure> {
    let man = clap_mangen::Man::new(command.clone());
    let path = directory.join(man.get_filename());
    let mut page = Vec::new();
    man.render(&mut page).map_err(|error| Failure::file("make", &path, &error))?;
    fs::write(&path, page).map_err(|error| Failure::file("write", &path, &error))?;
    command.get_subcommands().filter(|sub| !sub.is_hide_set()).try_for_each(|sub| pages(sub, directory))
}
