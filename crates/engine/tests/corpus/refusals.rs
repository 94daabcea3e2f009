//! What is said of every case that is refused, as a person sees it: the sentence, the place, the caret and the hint.
//!
//! `refusals.txt` holds it, case by case. `REFUSALS=write`, as root and for all cases, writes down what is said now.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use shipsmith_engine::Error;
use testkit::corpus::MaterializedCase;

/// The longest line that is written down whole.
const WHOLE: usize = 240;

/// What is said of the cases that were judged, by their names.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<BTreeMap<String, String>>);

impl Refusals {
    /// Keeps what is said of a case that lies in `dir`.
    pub(crate) fn note(&self, name: &str, error: &Error, on_disk: &MaterializedCase, dir: &Path) {
        let place = error.location().map(|(source, span)| source.excerpt(span).to_string());
        let hint = error.hint().map(|hint| format!("hint: {hint}"));
        let said: Vec<String> = [Some(error.to_string()), place, hint].into_iter().flatten().collect();
        let said = on_disk.anonymous(&said.join("\n")).replace(&dir.display().to_string(), "<dir>");
        let said = said.lines().map(short).collect::<Vec<_>>().join("\n");
        self.0.lock().expect("no judge panics holding it").insert(name.to_owned(), said);
    }

    /// Compares all with what is written down, or writes it down; `every` case was judged, or only some.
    pub(crate) fn expect_as_written(self, every: bool) {
        let said = self.0.into_inner().expect("no judge panicked");
        if std::env::var("REFUSALS").is_ok_and(|value| value == "write") {
            assert!(every, "only all cases together can be written down");
            let cases = said.iter().map(|(name, said)| format!("==== {name}\n{said}\n\n"));
            fs::write(file(), cases.collect::<String>()).expect("written");
        }
        let written = fs::read_to_string(file()).expect("what is said");
        let mut written: BTreeMap<&str, &str> =
            written.split("==== ").skip(1).filter_map(|case| case.split_once('\n')).collect();
        let mut wrong = String::new();
        for (name, said) in &said {
            if written.remove(name.as_str()).map(str::trim_end) != Some(said) {
                wrong.push_str(&format!("\n{name}\n{said}\n"));
            }
        }
        assert!(wrong.is_empty(), "said otherwise than in {}:\n{wrong}", file().display());
        assert!(!every || written.is_empty(), "not refused any more: {:?}", written.keys());
    }
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/refusals.txt")
}

fn short(line: &str) -> String {
    match line.char_indices().nth(WHOLE) {
        None => line.trim_end().to_owned(),
        Some((end, _)) => format!("{} ...", &line[..end]),
    }
}
