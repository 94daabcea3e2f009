//! Finding and executing a program, and saying why that is not possible.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::Errno;

use crate::Exit;

/// Enough for the first line of a script and the headers of a program.
const HEAD: u64 = 4096;

/// Executes the first of these that can be; says why none could.
pub(super) fn execute(args: &[String], environment: &[(String, String)]) -> Exit {
    let Some((program, rest)) = args.split_first() else {
        return not_started(127, "the command is empty".into());
    };
    let path = environment.iter().rev().find(|(name, _)| name == "PATH").map_or("", |(_, value)| value);
    let mut refused = None;
    for candidate in candidates(program, path) {
        let error = attempt(&candidate, program, rest, environment);
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR) if !exists(&candidate) => {}
            // A shell looks on for one that may be executed, and reports this one when there is none.
            Some(Errno::ACCESS) => drop(refused.get_or_insert((candidate, error))),
            _ => return explained(&candidate, &error),
        }
    }
    match refused {
        Some((candidate, error)) => explained(&candidate, &error),
        None if program.contains('/') => not_started(127, format!("{program}: no such file")),
        None => not_started(127, format!("{program}: not found in $PATH ({path})")),
    }
}

fn candidates(program: &str, path: &str) -> Vec<String> {
    if program.contains('/') {
        return vec![program.to_owned()];
    }
    let in_directory = |directory: &str| match directory {
        "" => format!("./{program}"),
        directory => format!("{directory}/{program}"),
    };
    path.split(':').map(in_directory).collect()
}

/// Returns only when it fails.
fn attempt(candidate: &str, name: &str, rest: &[String], environment: &[(String, String)]) -> io::Error {
    let environment = environment.iter().map(|(name, value)| (name, value));
    Command::new(candidate).arg0(name).args(rest).env_clear().envs(environment).exec()
}

fn exists(path: &str) -> bool {
    rustix::fs::stat(path).is_ok()
}

fn not_started(code: i32, problem: String) -> Exit {
    Exit::NotStarted { code, problem }
}

/// The kernel says "no such file" also of what a file needs, and "exec format error" of anything it does not know.
fn explained(path: &str, error: &io::Error) -> Exit {
    let mut head = Vec::new();
    drop(File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head)));
    match Errno::from_io_error(error) {
        Some(Errno::NOENT | Errno::NOTDIR) => not_started(127, missing_interpreter(path, &head)),
        Some(Errno::NOEXEC) => not_started(126, unknown_format(path, &head)),
        _ => not_started(126, format!("{path}: {error}")),
    }
}

fn missing_interpreter(path: &str, head: &[u8]) -> String {
    let Some(line) = head.strip_prefix(b"#!").and_then(|rest| rest.split(|byte| *byte == b'\n').next()) else {
        return format!(
            "{path}: the loader or a library that it needs does not exist; is it built for another system?"
        );
    };
    let line = String::from_utf8_lossy(line);
    let interpreter = line.split_whitespace().next().unwrap_or_default();
    match line.ends_with('\r') {
        true => format!(
            "{path}: its first line ends in CR LF, as Windows has it: there is no interpreter {interpreter:?}+CR"
        ),
        false => format!("{path}: its interpreter {interpreter} does not exist"),
    }
}

fn unknown_format(path: &str, head: &[u8]) -> String {
    let machine = head.starts_with(b"\x7fELF").then(|| head.get(18..20)).flatten();
    match machine.and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes).and_then(architecture) {
        Some(name) if name != std::env::consts::ARCH => {
            format!(
                "{path}: built for {name}, which this machine does not execute (qemu-user-static and binfmt_misc make it)"
            )
        }
        _ => format!("{path}: not a program, and not a script with an interpreter in its first line"),
    }
}

/// `e_machine` of an ELF file, as Rust names it.
fn architecture(machine: u16) -> Option<&'static str> {
    Some(match machine {
        3 => "x86",
        8 => "mips",
        20 | 21 => "powerpc64",
        22 => "s390x",
        40 => "arm",
        62 => "x86_64",
        183 => "aarch64",
        243 => "riscv64",
        258 => "loongarch64",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_where_a_shell_looks() {
        assert_eq!(candidates("a", "/x::/y/"), ["/x/a", "./a", "/y//a"]);
        assert_eq!(candidates("./a", "/x"), ["./a"]);
    }

    #[test]
    fn what_a_script_lacks_is_named() {
        assert!(missing_interpreter("s", b"#!/bin/bash -e\n").contains("interpreter /bin/bash does not exist"));
        assert!(missing_interpreter("s", b"#!/bin/sh\r\necho\r\n").contains("CR LF"));
        assert!(missing_interpreter("s", b"\x7fELF").contains("loader"));
    }

    #[test]
    fn programs_of_other_machines_are_named() {
        let mut head = b"\x7fELF".to_vec();
        head.resize(18, 0);
        head.extend(22u16.to_le_bytes());
        assert!(unknown_format("p", &head).contains("built for s390x"));
        assert!(unknown_format("p", b"echo").contains("not a program"));
    }
}
