//! Variables of a profile, for one architecture.

use std::cell::RefCell;
use std::collections::BTreeMap;

use oci::Platform;
use regex::Regex;

use super::expand::expand;
use super::profile::{Profile, Variable};
use super::{Around, Ask, Error};

/// What names stand for.
pub(crate) struct Values<'a> {
    profile: &'a Profile,
    ask: &'a Ask,
    around: &'a Around<'a>,
    /// Names that are no profile's: the architecture's, the variant's.
    own: BTreeMap<String, String>,
    /// The variables that are being looked up, for one that needs itself.
    pending: RefCell<Vec<String>>,
}

impl<'a> Values<'a> {
    pub(crate) fn new(profile: &'a Profile, ask: &'a Ask, around: &'a Around<'a>) -> Self {
        let own = [
            ("root", around.root.display().to_string()),
            ("host_os", around.host.os.clone()),
            ("host_arch", around.host.architecture.clone()),
        ];
        Self {
            profile,
            ask,
            around,
            own: own.map(|(name, value)| (name.to_owned(), value)).into(),
            pending: RefCell::default(),
        }
    }

    pub(crate) fn of(profile: &'a Profile, ask: &'a Ask, around: &'a Around<'a>, platform: &Platform) -> Self {
        Self::new(profile, ask, around).with("os", &platform.os).with("arch", &platform.architecture)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.own.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Replaces the variables of a template.
    pub(crate) fn expand(&self, text: &str) -> Result<String, Error> {
        expand(text, &mut |name| self.value(name))
    }

    fn value(&self, name: &str) -> Result<String, Error> {
        if let Some(value) = self.own.get(name) {
            return Ok(value.clone());
        }
        if self.pending.borrow().iter().any(|pending| pending == name) {
            return Err(Error::new(format!("the variable {name} is made of itself")));
        }
        self.pending.borrow_mut().push(name.to_owned());
        let value = self.first(name);
        self.pending.borrow_mut().pop();
        value
    }

    /// The first value that the profile has for it, else the environment's.
    fn first(&self, name: &str) -> Result<String, Error> {
        for variable in self.profile.variables.iter().filter(|variable| variable.name == name) {
            if let Some(value) = self.found(variable)? {
                return Ok(value);
            }
        }
        let fallback = self.around.environment.get(name).cloned();
        fallback.ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> Error {
        let mut of_it = self.profile.variables.iter().filter(|variable| variable.name == name);
        if let Some(variable) = of_it.next() {
            let flag = variable.flag.as_deref().map(|flag| format!("--{flag} VALUE"));
            let environment = variable.environment.as_deref().map(|name| format!("the variable {name}"));
            let ways: Vec<String> =
                [flag, environment, Some(format!("--value {name}=VALUE"))].into_iter().flatten().collect();
            let looked = variable.file.as_deref().map(|file| format!(": {file} does not say it")).unwrap_or_default();
            return Error::new(format!("nothing says what {name} is{looked}"))
                .or_hint(format!("give it with {}", ways.join(" or ")));
        }
        let known = self.profile.variables.iter().map(|variable| variable.name.as_str());
        Error::unknown("variable", name, known.chain(self.own.keys().map(String::as_str)).collect::<Vec<_>>())
    }

    fn found(&self, variable: &Variable) -> Result<Option<String>, Error> {
        if variable.when_set.as_ref().is_some_and(|name| !self.around.environment.contains_key(name)) {
            return Ok(None);
        }
        let names = [variable.flag.as_ref(), Some(&variable.name)];
        if let Some(given) = names.into_iter().flatten().find_map(|name| self.ask.values.get(name)) {
            return Ok(Some(given.clone()));
        }
        if let Some(set) = variable.environment.as_deref().and_then(|name| self.around.variable(name)) {
            return Ok(Some(set.to_owned()));
        }
        match (&variable.file, &variable.pattern, &variable.value) {
            (Some(file), Some(pattern), template) => {
                let Some(found) = self.in_file(file, pattern)? else { return Ok(None) };
                let template = template.as_deref().unwrap_or("${found}");
                expand(template, &mut |name| if name == "found" { Ok(found.clone()) } else { self.value(name) })
                    .map(Some)
            }
            (_, _, template) => template.as_deref().map(|template| self.expand(template)).transpose(),
        }
    }

    fn in_file(&self, file: &str, pattern: &str) -> Result<Option<String>, Error> {
        let pattern = regex(pattern)?;
        let found =
            (self.around.read)(file).and_then(|text| Some(pattern.captures(&text)?.get(1)?.as_str().to_owned()));
        Ok(found.map(|text| text.trim_end().to_owned()))
    }
}

/// A profile's regular expression.
pub(crate) fn regex(pattern: &str) -> Result<Regex, Error> {
    Regex::new(pattern).map_err(|error| Error::new(format!("{pattern:?} is no regular expression: {error}")))
}

/// A profile's regular expression over whole names.
pub(crate) fn whole(pattern: &str) -> Result<Regex, Error> {
    regex(&format!("^(?:{pattern})$"))
}
