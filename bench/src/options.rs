//! What was asked for.

use std::path::PathBuf;

use crate::Failure;

const USAGE: &str =
    "usage: shipsmith-bench --binary FILE [--quick] [--rounds N] [--only CASE,..] [--out DIR] [--work DIR]";

/// How to measure.
pub(crate) struct Options {
    /// The program under test.
    pub(crate) binary: PathBuf,
    /// Small inputs and few rounds: to see that it works, not how fast.
    pub(crate) quick: bool,
    /// How often each contender runs.
    pub(crate) rounds: usize,
    /// Where performance.md is; none prints the tables.
    pub(crate) out: Option<PathBuf>,
    /// Where fixtures and stores are made; on the disk that is to be measured.
    pub(crate) work: PathBuf,
    only: Vec<String>,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Options, Failure> {
        let mut options = Options {
            binary: PathBuf::new(),
            quick: false,
            rounds: 0,
            out: None,
            work: std::env::temp_dir(),
            only: Vec::new(),
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(USAGE);
            match word.as_str() {
                "--quick" => options.quick = true,
                "--binary" => options.binary = std::path::absolute(value()?)?,
                "--rounds" => options.rounds = value()?.parse()?,
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--out" => options.out = Some(value()?.into()),
                "--work" => options.work = std::path::absolute(value()?)?,
                _ => return Err(USAGE.into()),
            }
        }
        if !options.binary.is_file() {
            return Err(USAGE.into());
        }
        if options.rounds == 0 {
            options.rounds = if options.quick { 3 } else { 5 };
        }
        Ok(options)
    }

    /// Whether a case is to be run.
    pub(crate) fn wants(&self, case: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == case)
    }

    /// `full`, or a smaller number when it is to be quick.
    pub(crate) fn scaled(&self, full: u64, quick: u64) -> u64 {
        if self.quick { quick } else { full }
    }
}
