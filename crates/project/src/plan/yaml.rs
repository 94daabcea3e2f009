//! YAML into types, with the place of what is wrong.

use serde::de::DeserializeOwned;
use serde_saphyr::{Location, Spanned};

use super::Error;

pub(crate) fn parse<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, Error> {
    serde_saphyr::from_str(text).map_err(|error| {
        let (line, column) = error.location().map_or((1, 1), |place| (place.line(), place.column()));
        explain(error.without_snippet()).at(name, line, column)
    })
}

fn explain(error: &serde_saphyr::Error) -> Error {
    match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            Error::unknown("key", field, expected.iter().copied())
        }
        serde_saphyr::Error::SerdeMissingField { field, .. } => {
            Error::new(format!("the key {field:?} is missing")).or_hint(format!("add a line such as `{field}: NAME`"))
        }
        other => {
            let text = other.to_string();
            let end = text.find(" at line ").or_else(|| text.find('\n')).unwrap_or(text.len());
            Error::new(text.get(..end).unwrap_or_default())
        }
    }
}

/// Something wrong with a value of the file `name`.
pub(crate) fn located<T>(error: Error, name: &str, value: &Spanned<T>) -> Error {
    let place: Location = value.referenced;
    error.at(name, place.line(), place.column())
}
