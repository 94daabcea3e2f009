//! The help as people see it, kept in files so that a change of it is seen in review.
//! `UPDATE_HELP=1 cargo test -p shipsmith help` writes them anew.

use std::path::{Path, PathBuf};

use clap::CommandFactory;

use super::Cli;

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/args/help").join(name)
}

/// The help of a command, 100 columns wide, for `-h` or for `--help`.
fn help(path: &[&str], long: bool) -> String {
    let mut command = Cli::command().term_width(100);
    command.build();
    let command = path.iter().fold(&mut command, |command, name| command.find_subcommand_mut(name).unwrap());
    let help = if long { command.render_long_help() } else { command.render_help() };
    let text = help.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n"
}

fn assert_kept(name: &str, path: &[&str], long: bool) {
    let help = help(path, long);
    if std::env::var_os("UPDATE_HELP").is_some() {
        std::fs::write(kept(name), &help).unwrap();
    }
    let kept = std::fs::read_to_string(kept(name)).unwrap_or_default();
    assert!(help == kept, "{name} has changed; UPDATE_HELP=1 writes it anew:\n{help}");
}

#[test]
fn the_help_is_as_kept() {
    assert_kept("shipsmith.txt", &[], false);
    assert_kept("build-short.txt", &["build"], false);
    assert_kept("build.txt", &["build"], true);
    assert_kept("bake-short.txt", &["bake"], false);
    assert_kept("bake.txt", &["bake"], true);
    for name in ["doctor", "completions", "man"] {
        assert_kept(&format!("{name}.txt"), &[name], false);
    }
    for name in ["push", "pull", "copy", "images", "inspect", "rm", "prune", "import", "export", "login", "logout"] {
        assert_kept(&format!("{name}.txt"), &[name], false);
    }
    assert_kept("index-create.txt", &["index", "create"], false);
    for name in ["build", "push", "show-tag", "manifest", "remote-tag"] {
        assert_kept(&format!("pkg-{name}.txt"), &["pkg", name], false);
    }
    for name in ["ls", "rm", "clean", "pull", "push", "import", "export", "export-mounts", "import-mounts"] {
        assert_kept(&format!("cache-{name}.txt"), &["cache", name], false);
    }
    assert_kept("dockerfile-parse.txt", &["dockerfile", "parse"], false);
}

#[test]
fn ours_are_marked_as_ours() {
    let text = help(&["build"], false);
    let (_, ours) = text.split_once("Ours (not in docker buildx):").unwrap();
    let (ours, _) = ours.split_once("Global options:").unwrap_or((ours, ""));
    for flag in ["--run", "--timestamp", "--normalize-modes", "--offline", "--timings"] {
        assert!(ours.contains(flag), "{flag}");
    }
    assert!(!ours.contains("--platform"));
}
