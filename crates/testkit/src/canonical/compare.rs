//! Telling two canonical images apart, one line for each difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::{CanonicalImage, HistoryEntry, Node};

/// Which part of an image a difference is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// The runtime part of the configuration.
    Config,
    /// The number, kind or text of the history entries.
    History,
    /// The number of layers.
    Layers,
    /// The flattened file system.
    Files,
}

/// One thing that is not as expected. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The part of the image.
    pub aspect: Aspect,
    /// The place in that part: a field, a path, a number of an entry.
    pub place: String,
    /// What was expected there; `None` if nothing was.
    pub expected: Option<String>,
    /// What is there; `None` if nothing is.
    pub actual: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let aspect = format!("{:?}", self.aspect).to_lowercase();
        let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        let (expected, actual) = (side(&self.expected), side(&self.actual));
        write!(f, "{aspect} {}: expected {expected}, found {actual}", self.place)
    }
}

impl CanonicalImage {
    /// Everything in which `actual` is not `self`, in a fixed order; empty when they are equal.
    #[must_use]
    pub fn differences(&self, actual: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        compare_maps(Aspect::Config, &fields(&self.config), &fields(&actual.config), &mut found);
        let (expected_history, actual_history) = (lines(&self.history), lines(&actual.history));
        compare_maps(Aspect::History, &expected_history, &actual_history, &mut found);
        push(Aspect::Layers, "count", Some(self.layers), Some(actual.layers), &mut found);
        self.compare_files(actual, &mut found);
        found
    }

    fn compare_files(&self, actual: &Self, found: &mut Vec<Difference>) {
        for path in union(&self.files, &actual.files) {
            match (self.files.get(path), actual.files.get(path)) {
                (Some(expected), Some(actual)) => {
                    let attribute = |name: String| format!("{path} {name}");
                    let expected = attributes(expected).into_iter();
                    let expected = expected.map(|(name, value)| (attribute(name), value)).collect();
                    let actual = attributes(actual).into_iter();
                    let actual = actual.map(|(name, value)| (attribute(name), value)).collect();
                    compare_maps(Aspect::Files, &expected, &actual, found);
                }
                (expected, actual) => {
                    let (expected, actual) = (expected.map(text), actual.map(text));
                    push(Aspect::Files, path, expected, actual, found);
                }
            }
        }
    }
}

fn compare_maps(
    aspect: Aspect,
    expected: &BTreeMap<String, String>,
    actual: &BTreeMap<String, String>,
    found: &mut Vec<Difference>,
) {
    for place in union(expected, actual) {
        push(aspect, place, expected.get(place), actual.get(place), found);
    }
}

fn push<T: fmt::Display + PartialEq>(
    aspect: Aspect,
    place: &str,
    expected: Option<T>,
    actual: Option<T>,
    found: &mut Vec<Difference>,
) {
    if expected != actual {
        found.push(Difference {
            aspect,
            place: place.to_owned(),
            expected: expected.map(|value| value.to_string()),
            actual: actual.map(|value| value.to_string()),
        });
    }
}

fn union<'a, V>(left: &'a BTreeMap<String, V>, right: &'a BTreeMap<String, V>) -> BTreeSet<&'a String> {
    left.keys().chain(right.keys()).collect()
}

fn fields(config: &BTreeMap<String, Value>) -> BTreeMap<String, String> {
    let fields = config.iter();
    fields.map(|(name, value)| (name.clone(), text(value))).collect()
}

/// History entries by their number, which sorts as numbers do.
fn lines(history: &[HistoryEntry]) -> BTreeMap<String, String> {
    let numbered = history.iter().enumerate();
    numbered.map(|(number, entry)| (format!("{number:03}"), text(entry))).collect()
}

/// A node's attributes, each with its value as JSON.
fn attributes(node: &Node) -> BTreeMap<String, String> {
    match serde_json::to_value(node) {
        Ok(Value::Object(members)) => {
            let members = members.into_iter();
            members.map(|(name, value)| (name, value.to_string())).collect()
        }
        _ => BTreeMap::new(),
    }
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
