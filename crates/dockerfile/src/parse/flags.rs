//! Which flags an instruction has, and what they say.

use crate::ast::{Flag, Keyword, Word};
use crate::error::{FlagError, Problem};
use crate::suggest::did_you_mean;

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// True or false; true without a value.
    Boolean,
    /// A value.
    Value,
    /// A value, and it may be given again.
    Values,
}

use Takes::{Boolean, Value, Values};

/// The flags of an instruction.
fn known(keyword: Keyword) -> &'static [(&'static str, Takes)] {
    match keyword {
        Keyword::Add => &[
            ("checksum", Value),
            ("chmod", Value),
            ("chown", Value),
            ("exclude", Values),
            ("keep-git-dir", Boolean),
            ("link", Boolean),
            ("unpack", Boolean),
        ],
        Keyword::Copy => &[
            ("chmod", Value),
            ("chown", Value),
            ("exclude", Values),
            ("from", Value),
            ("link", Boolean),
            ("parents", Boolean),
        ],
        Keyword::From => &[("platform", Value)],
        Keyword::Healthcheck => &[
            ("interval", Value),
            ("retries", Value),
            ("start-interval", Value),
            ("start-period", Value),
            ("timeout", Value),
        ],
        Keyword::Run => &[("device", Values), ("mount", Values), ("network", Value), ("security", Value)],
        _ => &[],
    }
}

/// The flags of one line, checked.
#[derive(Debug, Default)]
pub(super) struct Flags<'a>(&'a [Flag]);

impl<'a> Flags<'a> {
    /// Refuses flags that the instruction does not have, that stand twice, or whose value is missing or wrong.
    pub(super) fn check(keyword: Keyword, flags: &'a [Flag]) -> Result<Self, Problem> {
        for (index, flag) in flags.iter().enumerate() {
            let takes = takes(keyword, flag).map_err(|error| Problem::new(flag.span, error))?;
            let again = flags.iter().take(index).any(|earlier| earlier.name == flag.name);
            if again && takes != Values {
                return Err(Problem::new(flag.span, FlagError::Duplicate(flag.name.clone())));
            }
            check_value(flag, takes).map_err(|error| Problem::new(flag.span, error))?;
        }
        Ok(Self(flags))
    }

    /// A flag's value, unless it is empty.
    pub(super) fn value(&self, name: &str) -> Option<Word> {
        self.given(name).filter(|word| !word.raw.is_empty())
    }

    /// A flag's value, which may be empty.
    pub(super) fn given(&self, name: &str) -> Option<Word> {
        self.values(name).into_iter().next()
    }

    /// All values of a flag.
    pub(super) fn values(&self, name: &str) -> Vec<Word> {
        self.0.iter().filter(|flag| flag.name == name).filter_map(|flag| flag.value.clone()).collect()
    }

    /// What a boolean flag says, if it is given.
    pub(super) fn boolean(&self, name: &str) -> Option<bool> {
        let flag = self.0.iter().find(|flag| flag.name == name)?;
        Some(flag.value.as_ref().is_none_or(|word| word.raw.eq_ignore_ascii_case("true")))
    }
}

fn takes(keyword: Keyword, flag: &Flag) -> Result<Takes, FlagError> {
    let known = known(keyword);
    let names = || known.iter().map(|(name, _)| *name);
    known.iter().find(|(name, _)| *name == flag.name).map(|(_, takes)| *takes).ok_or_else(|| FlagError::Unknown {
        keyword,
        name: flag.name.clone(),
        suggestion: did_you_mean(&flag.name, names()).map(str::to_owned),
        known: names().map(str::to_owned).collect(),
    })
}

fn check_value(flag: &Flag, takes: Takes) -> Result<(), FlagError> {
    let missing = || Err(FlagError::MissingValue(flag.name.clone()));
    match &flag.value {
        None if takes == Boolean => Ok(()),
        None => missing(),
        Some(value) if takes == Boolean => match value.raw.to_ascii_lowercase().as_str() {
            "true" | "false" => Ok(()),
            "" => missing(),
            _ => Err(FlagError::NotBoolean { name: flag.name.clone(), value: value.raw.clone() }),
        },
        Some(_) => Ok(()),
    }
}
