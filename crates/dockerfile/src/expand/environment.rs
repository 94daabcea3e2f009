//! Where the values of variables come from.

use std::collections::BTreeMap;

/// Values of variables by name.
pub trait Environment {
    /// The value of a variable, `None` if it is not set.
    fn get(&self, name: &str) -> Option<&str>;
}

/// The environment in which nothing is set.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoVariables;

impl Environment for NoVariables {
    fn get(&self, _name: &str) -> Option<&str> {
        None
    }
}

impl Environment for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<&str> {
        BTreeMap::get(self, name).map(String::as_str)
    }
}

/// Pairs of name and value, in the order they were set: the last one wins.
impl Environment for Vec<(String, String)> {
    fn get(&self, name: &str) -> Option<&str> {
        self.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// `name=value` texts as image configurations have them: the last one wins, and one without an equals sign is set and
/// empty.
impl Environment for Vec<String> {
    fn get(&self, name: &str) -> Option<&str> {
        self.iter().rev().find_map(|entry| {
            let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
            (key == name).then_some(value)
        })
    }
}
