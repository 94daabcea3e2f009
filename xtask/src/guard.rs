//! Instruction counts of the hot paths, held to what they were: times are noise, instructions hardly.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::dist::build_static;
use crate::process::{command, output, root};

const EXPECTED: &str = "bench/instructions.txt";
/// How far a count may be off, in percent. Compilers, C libraries and processors' features move it a little.
const TOLERANCE: f64 = 8.0;

/// Counts, and compares with `bench/instructions.txt`; with `--write`, writes that file.
pub(crate) fn run(options: &[String]) -> Result<(), String> {
    if !has_avx2() {
        println!("not compared: {EXPECTED} was counted on a processor with AVX2, which hashes and compressors use");
        return Ok(());
    }
    let program = build_static("shipsmith-bench", "hot-paths")?;
    let counts = count_all(&program)?;
    if options.iter().any(|option| option == "--write") {
        return write(&counts);
    }
    let text = fs::read_to_string(root().join(EXPECTED)).map_err(|error| format!("cannot read {EXPECTED}: {error}"))?;
    compare(&parse(&text)?, &counts)
}

/// What valgrind shows of a processor depends on this alone, as far as our libraries ask.
fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

fn count_all(program: &Path) -> Result<BTreeMap<String, u64>, String> {
    let names = output(&mut command(&program.to_string_lossy()))?;
    names.lines().map(|name| Ok((name.to_owned(), count(program, name)?))).collect()
}

/// Instructions of one path, as callgrind counts them.
fn count(program: &Path, name: &str) -> Result<u64, String> {
    let mut valgrind = command("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program).arg(name);
    let done = valgrind.output().map_err(|error| format!("cannot start valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    let counted = collected.and_then(|(_, count)| count.trim().parse().ok()).filter(|_| done.status.success());
    counted.ok_or_else(|| format!("valgrind did not count {name}:\n{said}"))
}

fn write(counts: &BTreeMap<String, u64>) -> Result<(), String> {
    let mut text = String::from("# Instructions of the hot paths; `cargo xtask guard --write` counts them anew.\n");
    for (name, count) in counts {
        let _ = writeln!(text, "{name} {count}");
    }
    fs::write(root().join(EXPECTED), text).map_err(|error| format!("cannot write {EXPECTED}: {error}"))
}

fn parse(text: &str) -> Result<BTreeMap<String, u64>, String> {
    let line = |line: &str| {
        let (name, count) = line.split_once(' ')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|text| line(text).ok_or_else(|| format!("{EXPECTED}: cannot read {text:?}"))).collect()
}

/// Fewer instructions are refused too: the file is to say what is, or it would not notice the way back.
fn compare(expected: &BTreeMap<String, u64>, counts: &BTreeMap<String, u64>) -> Result<(), String> {
    let mut wrong = Vec::new();
    for (name, count) in counts {
        let Some(before) = expected.get(name) else {
            wrong.push(format!("{name} is not in {EXPECTED}"));
            continue;
        };
        let change = change(*before, *count);
        println!("{name:8} {count:12} instructions, {change:+.1} %");
        if change.abs() > TOLERANCE {
            wrong.push(format!("{name} takes {count} instructions instead of {before} ({change:+.1} %)"));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.push("if that is meant, run `cargo xtask guard --write` and say why in the commit".to_owned());
    Err(wrong.join("\n"))
}

#[expect(clippy::cast_precision_loss, reason = "a percentage")]
fn change(before: u64, now: u64) -> f64 {
    (now as f64 / before as f64 - 1.0) * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(text: &str) -> BTreeMap<String, u64> {
        parse(text).expect("counts")
    }

    #[test]
    fn small_changes_pass_and_large_ones_do_not_either_way() {
        let expected = counts("# comment\nhash 1000\nwalk 500\n");
        assert_eq!(compare(&expected, &counts("hash 1050\nwalk 480\n")), Ok(()));
        for worse in ["hash 1200\nwalk 500\n", "hash 1000\nwalk 300\n"] {
            assert!(compare(&expected, &counts(worse)).is_err(), "{worse}");
        }
    }

    #[test]
    fn a_path_that_nobody_counted_before_is_refused() {
        let error = compare(&counts("hash 1\n"), &counts("new 1\n")).expect_err("unknown");
        assert!(error.contains("new is not in"), "{error}");
    }
}
