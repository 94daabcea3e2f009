//! The library of functions that bake files may call, as buildx has it.

mod codecs;
mod format;
mod lists;
mod network;
mod numbers;
mod semver;
mod sets;
mod texts;
mod times;

use super::value::{Number, Value};
use super::{Error, Options};

/// A function of the library.
pub(super) struct Function {
    name: &'static str,
    least: usize,
    most: usize,
    apply: fn(&Arguments<'_>) -> Result<Value, Error>,
}

/// As many arguments as there are.
const ANY: usize = usize::MAX;

const TABLES: [&[Function]; 7] =
    [numbers::TABLE, texts::TABLE, lists::TABLE, sets::TABLE, codecs::TABLE, times::TABLE, network::TABLE];

/// Functions that are part of the language.
const SPECIAL: [&str; 3] = ["can", "convert", "try"];

/// Functions that buildx has and we do not, and why.
const REFUSED: [(&str, &str); 4] = [
    ("bcrypt", "it gives another text every time; give its result as a variable"),
    ("byteslen", "bytes are no value of bake files; strlen counts characters"),
    ("bytesslice", "bytes are no value of bake files; substr takes characters"),
    ("rsadecrypt", "keys do not belong into bake files; use a secret"),
];

const fn function(
    name: &'static str,
    least: usize,
    most: usize,
    apply: fn(&Arguments<'_>) -> Result<Value, Error>,
) -> Function {
    Function { name, least, most, apply }
}

/// The function of that name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    TABLES.into_iter().flatten().find(|function| function.name == name)
}

/// What to say of a name that is no function; `own` are those of the files.
pub(super) fn unknown<'n>(name: &str, own: impl Iterator<Item = &'n str>) -> Error {
    if let Some((_, hint)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return Error::new(format!("function {name} is not supported")).with_hint(*hint);
    }
    let library = TABLES.into_iter().flatten().map(|function| function.name);
    Error::new(format!("there is no function {name}")).meant(name, library.chain(SPECIAL).chain(own))
}

impl Function {
    pub(super) fn call(&self, values: &[Value], options: &Options<'_>) -> Result<Value, Error> {
        let (name, count) = (self.name, values.len());
        if count < self.least || count > self.most {
            let takes = match (self.least, self.most) {
                (least, ANY) => format!("{least} or more arguments"),
                (1, 1) => "1 argument".to_owned(),
                (least, most) if least == most => format!("{least} arguments"),
                (least, most) => format!("{least} to {most} arguments"),
            };
            return Err(Error::new(format!("{name} takes {takes}, these are {count}")));
        }
        (self.apply)(&Arguments { values, options }).map_err(|error| error.within(name))
    }
}

/// What a function is called with.
struct Arguments<'a> {
    values: &'a [Value],
    options: &'a Options<'a>,
}

impl Arguments<'_> {
    fn value(&self, at: usize) -> Result<&Value, Error> {
        self.values.get(at).ok_or_else(|| Error::new(format!("argument {} is missing", at + 1)))
    }

    fn number(&self, at: usize) -> Result<Number, Error> {
        self.value(at)?.number()
    }

    fn text(&self, at: usize) -> Result<String, Error> {
        self.value(at)?.text()
    }

    fn bool(&self, at: usize) -> Result<bool, Error> {
        self.value(at)?.bool()
    }

    fn list(&self, at: usize) -> Result<&[Value], Error> {
        self.value(at)?.list()
    }

    /// A count: whole and not negative.
    fn count(&self, at: usize) -> Result<usize, Error> {
        let number = self.number(at)?;
        number.whole().ok_or_else(|| Error::new(format!("a whole number is needed here, not {number}")))
    }

    /// A whole number.
    fn whole(&self, at: usize) -> Result<i64, Error> {
        let number = self.number(at)?;
        number.signed().ok_or_else(|| Error::new(format!("a whole number is needed here, not {number}")))
    }

    fn rest(&self, at: usize) -> &[Value] {
        self.values.get(at..).unwrap_or_default()
    }
}
