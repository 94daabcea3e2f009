//! `$NAME` and `${NAME}` in compose files, with the defaults and alternatives that compose knows.

use super::dotenv;
use super::yaml::{Node, Yaml};
use super::{Environment, Error, Options};

/// How deep defaults may have variables in them.
const MAX_DEPTH: usize = 32;

/// The variable with the name of the project, and its value when nothing else is said.
const PROJECT: (&str, &str) = ("COMPOSE_PROJECT_NAME", "bake");

/// Where variables come from: `--var`, the environment, `.env`, in this order.
pub(super) struct Variables<'o> {
    options: &'o Options<'o>,
    overrides: Environment,
    dotenv: Environment,
    project: String,
}

impl<'o> Variables<'o> {
    pub(super) fn of(options: &'o Options<'o>) -> Result<Self, Error> {
        let mut variables = Self {
            options,
            overrides: options.overrides()?,
            dotenv: Environment::new(),
            project: PROJECT.1.to_owned(),
        };
        if let Some(text) = (options.read)(".env") {
            variables.dotenv = dotenv::parse(".env", &text, &variables)?;
        }
        Ok(variables)
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        let environment = || self.options.variable_of_environment(name);
        let found = self.overrides.get(name).cloned().or_else(environment).or_else(|| self.dotenv.get(name).cloned());
        found.or_else(|| (name == PROJECT.0).then(|| self.project.clone()))
    }

    /// Takes the name that a file gives to the project.
    pub(super) fn name_project(&mut self, name: &Node) -> Result<(), Error> {
        self.project = self.expand(name.text()?).map_err(|error| error.at(name.span))?;
        Ok(())
    }

    /// The text with its variables replaced.
    pub(super) fn expand(&self, text: &str) -> Result<String, Error> {
        self.expand_with(text, &|name| self.get(name), 0)
    }

    /// As [`Self::expand`], with other variables.
    pub(super) fn expand_with(&self, text: &str, get: Get<'_>, depth: usize) -> Result<String, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::limit(format!("variables are nested more than {MAX_DEPTH} deep")));
        }
        let (mut out, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('$') {
            out += before;
            let (value, behind) = self.variable(after, get, depth)?;
            out += &value;
            rest = behind;
            crate::bake::limits::string(Some(out.len()))?;
        }
        Ok(out + rest)
    }

    /// What is behind a dollar, and the rest.
    fn variable<'t>(&self, text: &'t str, get: Get<'_>, depth: usize) -> Result<(String, &'t str), Error> {
        match text.chars().next() {
            Some('$') => Ok(("$".to_owned(), &text[1..])),
            Some('{') => {
                let end = closing(text).ok_or_else(|| Error::new("a ${ is not closed").with_hint("$$ is a dollar"))?;
                Ok((self.braced(&text[1..end], get, depth)?, &text[end + 1..]))
            }
            Some(c) if starts_name(c) => {
                let (name, rest) = text.split_at(name_length(text));
                Ok((get(name).unwrap_or_default(), rest))
            }
            _ => Err(Error::new("a $ names no variable").with_hint("$$ is a dollar")),
        }
    }

    fn braced(&self, inner: &str, get: Get<'_>, depth: usize) -> Result<String, Error> {
        let (name, operation) = inner.split_at(name_length(inner));
        if name.is_empty() {
            return Err(Error::new(format!("${{{inner}}} names no variable")));
        }
        let value = get(name);
        let (full, operation) = match operation.strip_prefix(':') {
            Some(operation) => (value.filter(|value| !value.is_empty()), operation),
            None if operation.is_empty() => return Ok(value.unwrap_or_default()),
            None => (value, operation),
        };
        let other = |text: &str| self.expand_with(text, get, depth + 1);
        match (operation.split_at_checked(1), full) {
            (Some(("-" | "?", _)), Some(value)) => Ok(value),
            (Some(("-", default)), None) => other(default),
            (Some(("+", alternative)), Some(_)) => other(alternative),
            (Some(("+", _)), None) => Ok(String::new()),
            (Some(("?", why)), None) => {
                let why = other(why)?;
                Err(Error::new(format!("the variable {name} is needed{}{why}", if why.is_empty() { "" } else { ": " })))
            }
            _ => Err(Error::new(format!("${{{inner}}} is no form of a variable"))
                .with_hint("${NAME}, ${NAME:-default}, ${NAME:?message} and ${NAME:+alternative} are known")),
        }
    }
}

/// Looks up a variable.
type Get<'g> = &'g dyn Fn(&str) -> Option<String>;

/// Replaces variables in all texts.
pub(super) fn node(node: &mut Node, variables: &Variables<'_>) -> Result<(), Error> {
    let span = node.span;
    match &mut node.kind {
        Yaml::Text(text) => *text = variables.expand(text).map_err(|error| error.at(span))?,
        Yaml::List(items) => items.iter_mut().try_for_each(|item| self::node(item, variables))?,
        Yaml::Map(fields) => fields.iter_mut().try_for_each(|(_, value)| self::node(value, variables))?,
        Yaml::Null | Yaml::Plain(_) => {}
    }
    Ok(())
}

fn starts_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn name_length(text: &str) -> usize {
    if !text.starts_with(starts_name) {
        return 0;
    }
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len())
}

/// Where the brace that opens the text is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}
