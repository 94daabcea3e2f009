//! Many cases judged beside each other.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use super::Case;

/// What came of judging cases. Its `Display` names those that differ, and in what.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many cases were judged.
    pub judged: usize,
    /// What is wrong, by the name of the case.
    pub wrong: BTreeMap<String, Vec<String>>,
}

impl Verdict {
    /// Judges each case on one of `threads` threads. `judge` is given the case's number too and tells what is wrong with its
    /// outcome: nothing when that is the expected one.
    ///
    /// # Panics
    /// When `judge` does.
    pub fn of(cases: &[Case], threads: usize, judge: impl Fn(usize, &Case) -> Vec<String> + Sync) -> Self {
        let next = AtomicUsize::new(0);
        let wrong = Mutex::new(BTreeMap::new());
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(case) = cases.get(number) else { return };
                let found = judge(number, case);
                if !found.is_empty() {
                    wrong.lock().expect("no judge panics holding it").insert(case.name.clone(), found);
                }
            }
        };
        std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
        Self { judged: cases.len(), wrong: wrong.into_inner().expect("no judge panicked") }
    }

    /// # Panics
    /// When a case differs, or none was judged.
    #[track_caller]
    pub fn expect_agreement(&self) {
        assert!(self.judged > 0, "no case was judged");
        assert!(self.wrong.is_empty(), "{self}");
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} of {} cases differ", self.wrong.len(), self.judged)?;
        self.wrong.iter().try_for_each(|(name, wrong)| write!(out, "\n{name}\n    {}", wrong.join("\n    ")))
    }
}

/// Gives every file below `dir` the time of case `number`: BuildKit's transfer takes files of equal size and time for the same.
///
/// # Panics
/// When a file cannot be reached.
pub fn date(dir: &Path, number: usize) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000 + number as u64);
    for entry in fs::read_dir(dir).expect("our directory").map(|entry| entry.expect("an entry")) {
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() {
            date(&entry.path(), number);
        } else if kind.is_file() {
            File::open(entry.path()).and_then(|file| file.set_modified(time)).expect("our file");
        }
    }
}
