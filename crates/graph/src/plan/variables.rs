//! Variables with the values in force at one place.

use dockerfile::expand::Environment;

/// Variables in the order in which they got their values.
#[derive(Debug, Clone, Default)]
pub(super) struct Variables(Vec<(String, String)>);

impl Variables {
    /// Gives a variable a value, its last one.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

impl Environment for Variables {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// `NAME=value`, as image configs have it; without an equals sign the value is empty.
pub(super) fn split(entry: &str) -> (&str, &str) {
    entry.split_once('=').unwrap_or((entry, ""))
}
