//! YAML into types: where something is wrong, what, and what was meant.

use serde::de::DeserializeOwned;
use serde_saphyr::Location;

use crate::{Input, Place};

/// What is wrong with a document.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) message: String,
    pub(crate) place: Place,
    pub(crate) hint: Option<String>,
}

pub(crate) fn parse<T: DeserializeOwned>(input: &Input) -> Result<T, Wrong> {
    serde_saphyr::from_str(&input.text).map_err(|error| Wrong::new(input, &error))
}

impl Wrong {
    pub(crate) fn new(input: &Input, error: &serde_saphyr::Error) -> Self {
        let place = error.location().map_or_else(|| input.at(1, 1), |location| place(input, location));
        let (message, hint) = explain(error.without_snippet());
        Self { message, place, hint }
    }
}

/// Where a value is.
pub(crate) fn place(input: &Input, location: Location) -> Place {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    input.at(number(location.line()), number(location.column()))
}

fn explain(error: &serde_saphyr::Error) -> (String, Option<String>) {
    match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            (format!("unknown key {field:?}"), Some(meant(field, expected.iter().copied())))
        }
        serde_saphyr::Error::SerdeMissingField { field, .. } => {
            (format!("the key {field:?} is missing"), Some(format!("add a line such as `{field}: NAME`")))
        }
        other => {
            // The place is told apart from the message.
            let text = other.to_string();
            let end = text.find(" at line ").or_else(|| text.find('\n')).unwrap_or(text.len());
            (text.get(..end).unwrap_or_default().to_owned(), None)
        }
    }
}

/// Which of the known names was meant, or else which there are.
pub(crate) fn meant<'n>(name: &str, known: impl IntoIterator<Item = &'n str> + Clone) -> String {
    match dockerfile::did_you_mean(name, known.clone()) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None => format!("known are {}", known.into_iter().collect::<Vec<_>>().join(", ")),
    }
}
