//! The library: the functions that HCL's users expect, over plain values.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Error;
use super::clock;
use super::text::{self, format_text};
use super::value::{Value, csv, distinct};

/// What functions know of the machine.
pub(super) struct Around<'a> {
    /// Seconds since 1970.
    pub(super) now: i64,
    /// The home directory.
    pub(super) home: Option<&'a str>,
}

/// Every function there is, for did-you-mean.
pub(super) const NAMES: [&str; 89] = [
    "absolute", "add", "and", "base64decode", "base64encode", "basename", "byteslen", "can", "ceil", "chomp",
    "chunklist", "coalesce", "coalescelist", "compact", "concat", "contains", "convert", "csvdecode", "dirname",
    "distinct", "divide", "element", "equal", "flatten", "floor", "format", "formatdate", "formatlist",
    "formattimestamp", "greaterthan", "greaterthanorequalto", "hasindex", "homedir", "indent", "index", "indexof", "int",
    "join", "jsondecode", "jsonencode", "keys", "length", "lessthan", "lessthanorequalto", "log", "lookup", "lower",
    "max", "merge", "min", "modulo", "multiply", "negate", "not", "notequal", "or", "parseint", "pow", "range",
    "regex", "regexall", "regex_replace", "replace", "reverse", "reverselist", "sanitize", "setintersection",
    "setproduct", "setsubtract", "setunion", "signum", "slice", "sort", "split", "strlen", "substr", "subtract",
    "timestamp", "title", "trim", "trimprefix", "trimspace", "trimsuffix", "try", "upper", "urlencode", "values",
    "zipmap", "sethaselement",
];

/// Functions that buildx has and we do not.
const REFUSED: [&str; 17] = [
    "bcrypt", "bytesslice", "cidrhost", "cidrnetmask", "cidrsubnet", "cidrsubnets", "md5", "rsadecrypt", "semvercmp",
    "setsymmetricdifference", "sha1", "sha256", "sha512", "timeadd", "unixtimestampparse", "uuidv4", "uuidv5",
];

/// Calls a function of the library.
pub(super) fn call(name: &str, args: &[Value], around: &Around<'_>) -> Result<Value, Error> {
    let call = Call { name, args };
    let found = call.numbers().or_else(|| call.logic()).or_else(|| call.texts()).or_else(|| call.lists());
    found.or_else(|| call.sets()).or_else(|| call.codecs()).or_else(|| call.surroundings(around)).unwrap_or_else(|| {
        Err(match REFUSED.contains(&name) {
            true => Error::new(format!("function {name} is not supported yet"))
                .hint_of("give its result as a variable: --var NAME=VALUE"),
            false => Error::new(format!("there is no function {name}")).meant(name, NAMES),
        })
    })
}

type Answer = Option<Result<Value, Error>>;

struct Call<'c> {
    name: &'c str,
    args: &'c [Value],
}

impl Call<'_> {
    fn arg(&self, at: usize) -> Result<&Value, Error> {
        self.args.get(at).ok_or_else(|| Error::new(format!("{} needs {} arguments or more", self.name, at + 1)))
    }

    fn number(&self, at: usize) -> Result<f64, Error> {
        self.arg(at)?.number()
    }

    fn text(&self, at: usize) -> Result<String, Error> {
        self.arg(at)?.text()
    }

    fn list(&self, at: usize) -> Result<&[Value], Error> {
        self.arg(at)?.list()
    }

    fn whole(&self, at: usize) -> Result<usize, Error> {
        match self.number(at)? {
            number if number >= 0.0 && number.fract() == 0.0 => Ok(number as usize),
            number => Err(Error::new(format!("{} needs a whole number, not {number}", self.name))),
        }
    }

    fn numbers(&self) -> Answer {
        let one = |apply: fn(f64) -> f64| self.number(0).map(|n| Value::Number(apply(n)));
        let two = |apply: fn(f64, f64) -> f64| Ok(Value::Number(apply(self.number(0)?, self.number(1)?)));
        let fold = |apply: fn(f64, f64) -> f64| {
            let all = self.args.iter().map(Value::number).collect::<Result<Vec<_>, _>>()?;
            let result = all.into_iter().reduce(apply);
            result.map(Value::Number).ok_or_else(|| Error::new(format!("{} needs a number", self.name)))
        };
        Some(match self.name {
            "absolute" => one(f64::abs),
            "ceil" => one(f64::ceil),
            "floor" => one(f64::floor),
            "int" => one(f64::trunc),
            "negate" => one(|n| -n),
            "signum" => one(|n| if n == 0.0 { 0.0 } else { n.signum() }),
            "add" => two(|a, b| a + b),
            "subtract" => two(|a, b| a - b),
            "multiply" => two(|a, b| a * b),
            "pow" => two(f64::powf),
            "log" => two(f64::log),
            "divide" => self.number(0).and_then(|a| divide(a, self.number(1)?)),
            "modulo" => self.number(0).and_then(|a| modulo(a, self.number(1)?)),
            "max" => fold(f64::max),
            "min" => fold(f64::min),
            "parseint" => self.parseint(),
            "range" => self.range(),
            _ => return None,
        })
    }

    fn parseint(&self) -> Result<Value, Error> {
        let (text, base) = (self.text(0)?, self.whole(1)?);
        let parsed = i64::from_str_radix(&text, base.clamp(2, 36) as u32);
        parsed.map(|n| Value::Number(n as f64)).map_err(|_| Error::new(format!("{text:?} is no number of base {base}")))
    }

    fn range(&self) -> Result<Value, Error> {
        let all = self.args.iter().map(Value::number).collect::<Result<Vec<_>, _>>()?;
        let (start, end, step) = match all[..] {
            [end] => (0.0, end, if end < 0.0 { -1.0 } else { 1.0 }),
            [start, end] => (start, end, if end < start { -1.0 } else { 1.0 }),
            [start, end, step] => (start, end, step),
            _ => return Err(Error::new("range takes one to three numbers")),
        };
        if step == 0.0 || (end - start) / step > 1024.0 {
            return Err(Error::new("range would make more than 1024 numbers"));
        }
        let numbers = std::iter::successors(Some(start), |n| Some(n + step));
        Ok(Value::List(numbers.take_while(|n| if step > 0.0 { *n < end } else { *n > end }).map(Value::Number).collect()))
    }

    fn logic(&self) -> Answer {
        let both = |apply: fn(bool, bool) -> bool| Ok(Value::Bool(apply(self.arg(0)?.bool()?, self.arg(1)?.bool()?)));
        let compare = |apply: fn(&f64, &f64) -> bool| Ok(Value::Bool(apply(&self.number(0)?, &self.number(1)?)));
        Some(match self.name {
            "and" => both(|a, b| a && b),
            "or" => both(|a, b| a || b),
            "not" => self.arg(0).and_then(Value::bool).map(|yes| Value::Bool(!yes)),
            "equal" => self.arg(0).and_then(|a| Ok(Value::Bool(a == self.arg(1)?))),
            "notequal" => self.arg(0).and_then(|a| Ok(Value::Bool(a != self.arg(1)?))),
            "greaterthan" => compare(f64::gt),
            "greaterthanorequalto" => compare(f64::ge),
            "lessthan" => compare(f64::lt),
            "lessthanorequalto" => compare(f64::le),
            _ => return None,
        })
    }

    fn texts(&self) -> Answer {
        let one = |apply: fn(&str) -> String| self.text(0).map(|text| Value::String(apply(&text)));
        Some(match self.name {
            "lower" => one(|text| text.to_lowercase()),
            "upper" => one(|text| text.to_uppercase()),
            "title" => one(text::title),
            "chomp" => one(|text| text.trim_end_matches(['\n', '\r']).to_owned()),
            "trimspace" => one(|text| text.trim().to_owned()),
            "reverse" => one(|text| text.chars().rev().collect()),
            "sanitize" => one(text::sanitize),
            "basename" => one(text::basename),
            "dirname" => one(text::dirname),
            "urlencode" => one(text::urlencode),
            "strlen" => self.text(0).map(|text| Value::Number(text.chars().count() as f64)),
            "byteslen" => self.text(0).map(|text| Value::Number(text.len() as f64)),
            "trim" => self.two_texts(|text, cut| text.trim_matches(|c| cut.contains(c)).to_owned()),
            "trimprefix" => self.two_texts(|text, cut| text.strip_prefix(cut).unwrap_or(text).to_owned()),
            "trimsuffix" => self.two_texts(|text, cut| text.strip_suffix(cut).unwrap_or(text).to_owned()),
            "indent" => self.indent(),
            "substr" => self.substr(),
            "split" => self.split(),
            "join" => self.join(),
            "replace" => self.replace(),
            "format" => self.text(0).and_then(|spec| format_text(&spec, self.args.get(1..).unwrap_or_default())).map(Value::String),
            "formatlist" => self.formatlist(),
            "regex" => self.regex(|pattern, text| text::regex(pattern, text)),
            "regexall" => self.regex(|pattern, text| text::regexall(pattern, text)),
            "regex_replace" => self.regex_replace(),
            _ => return None,
        })
    }

    fn two_texts(&self, apply: fn(&str, &str) -> String) -> Result<Value, Error> {
        Ok(Value::String(apply(&self.text(0)?, &self.text(1)?)))
    }

    fn indent(&self) -> Result<Value, Error> {
        let pad = format!("\n{}", " ".repeat(self.whole(0)?));
        Ok(Value::String(self.text(1)?.replace('\n', &pad)))
    }

    fn substr(&self) -> Result<Value, Error> {
        let (text, offset, length) = (self.text(0)?, self.number(1)?, self.number(2)?);
        let count = text.chars().count();
        let start = if offset < 0.0 { count.saturating_sub(-offset as usize) } else { offset as usize };
        let length = if length < 0.0 { count } else { length as usize };
        Ok(Value::String(text.chars().skip(start).take(length).collect()))
    }

    fn split(&self) -> Result<Value, Error> {
        let (separator, text) = (self.text(0)?, self.text(1)?);
        let parts: Vec<String> = match &separator[..] {
            "" => text.chars().map(String::from).collect(),
            separator => text.split(separator).map(str::to_owned).collect(),
        };
        Ok(strings(parts))
    }

    fn join(&self) -> Result<Value, Error> {
        let lists = (1..self.args.len().max(2)).map(|at| self.list(at)).collect::<Result<Vec<_>, _>>()?;
        let parts = lists.concat().iter().map(Value::text).collect::<Result<Vec<_>, _>>()?;
        Ok(Value::String(parts.join(&self.text(0)?)))
    }

    fn replace(&self) -> Result<Value, Error> {
        let (text, from, to) = (self.text(0)?, self.text(1)?, self.text(2)?);
        Ok(Value::String(text.replace(&from, &to)))
    }

    fn regex_replace(&self) -> Result<Value, Error> {
        let (text, pattern, to) = (self.text(0)?, self.text(1)?, self.text(2)?);
        Ok(Value::String(text::compile(&pattern)?.replace_all(&text, to.as_str()).into_owned()))
    }

    fn regex(&self, apply: fn(&str, &str) -> Result<Value, Error>) -> Result<Value, Error> {
        apply(&self.text(0)?, &self.text(1)?)
    }

    fn formatlist(&self) -> Result<Value, Error> {
        let spec = self.text(0)?;
        let args = self.args.get(1..).unwrap_or_default();
        let lengths = args.iter().filter_map(|arg| arg.list().ok().map(<[_]>::len));
        let count = lengths.max().unwrap_or(1);
        let row = |at: usize| {
            let picked = args.iter().map(|arg| match arg {
                Value::List(items) => items.get(at).cloned().ok_or_else(|| Error::new("lists of formatlist differ in length")),
                other => Ok(other.clone()),
            });
            format_text(&spec, &picked.collect::<Result<Vec<_>, _>>()?).map(Value::String)
        };
        (0..count).map(row).collect::<Result<_, _>>().map(Value::List)
    }

    fn lists(&self) -> Answer {
        Some(match self.name {
            "length" => self.arg(0).and_then(length),
            "element" => self.element(),
            "index" => self.arg(0).and_then(|value| super::expr::element(value, self.arg(1)?)),
            "hasindex" => self.arg(0).and_then(|value| Ok(Value::Bool(super::expr::element(value, self.arg(1)?).is_ok()))),
            "indexof" => self.indexof(),
            "contains" => self.list(0).and_then(|items| Ok(Value::Bool(items.contains(self.arg(1)?)))),
            "keys" => self.arg(0).and_then(Value::object).map(|items| strings(items.keys().cloned().collect())),
            "values" => self.arg(0).and_then(Value::object).map(|items| Value::List(items.values().cloned().collect())),
            "lookup" => self.lookup(),
            "merge" => self.merge(),
            "zipmap" => self.zipmap(),
            "concat" => self.args.iter().map(Value::list).collect::<Result<Vec<_>, _>>().map(|all| Value::List(all.concat())),
            "distinct" => self.list(0).map(|items| Value::List(distinct(items.to_vec()))),
            "flatten" => self.list(0).map(|items| Value::List(flat(items))),
            "reverselist" => self.list(0).map(|items| Value::List(items.iter().rev().cloned().collect())),
            "compact" => self.list(0).map(|items| {
                let empty = |item: &Value| matches!(item, Value::Null) || *item == Value::String(String::new());
                Value::List(items.iter().filter(|item| !empty(item)).cloned().collect())
            }),
            "coalesce" => self.args.iter().find(|arg| **arg != Value::Null).cloned().ok_or_else(|| Error::new("coalesce finds nothing but null")),
            "coalescelist" => self.coalescelist(),
            "chunklist" => self.chunklist(),
            "slice" => self.slice(),
            "sort" => self.sort(),
            _ => return None,
        })
    }

    fn element(&self) -> Result<Value, Error> {
        let (items, at) = (self.list(0)?, self.whole(1)?);
        let found = at.checked_rem(items.len()).and_then(|at| items.get(at));
        found.cloned().ok_or_else(|| Error::new("element of an empty list"))
    }

    fn indexof(&self) -> Result<Value, Error> {
        let (items, wanted) = (self.list(0)?, self.arg(1)?);
        let at = items.iter().position(|item| item == wanted);
        at.map(|at| Value::Number(at as f64)).ok_or_else(|| Error::new("item not found"))
    }

    fn lookup(&self) -> Result<Value, Error> {
        let (items, key) = (self.arg(0)?.object()?, self.text(1)?);
        match (items.get(&key), self.args.get(2)) {
            (Some(value), _) | (None, Some(value)) => Ok(value.clone()),
            (None, None) => super::expr::attribute(self.arg(0)?, &key),
        }
    }

    fn merge(&self) -> Result<Value, Error> {
        let mut merged = BTreeMap::new();
        for arg in self.args.iter().filter(|arg| **arg != Value::Null) {
            merged.extend(arg.object()?.clone());
        }
        Ok(Value::Object(merged))
    }

    fn zipmap(&self) -> Result<Value, Error> {
        let (keys, values) = (self.list(0)?, self.list(1)?);
        if keys.len() != values.len() {
            return Err(Error::new(format!("zipmap has {} keys and {} values", keys.len(), values.len())));
        }
        let pairs = keys.iter().zip(values).map(|(key, value)| Ok((key.text()?, value.clone())));
        pairs.collect::<Result<_, Error>>().map(Value::Object)
    }

    fn coalescelist(&self) -> Result<Value, Error> {
        let found = self.args.iter().find(|arg| arg.list().is_ok_and(|items| !items.is_empty()));
        found.cloned().ok_or_else(|| Error::new("coalescelist finds nothing but empty lists"))
    }

    fn chunklist(&self) -> Result<Value, Error> {
        let (items, size) = (self.list(0)?, self.whole(1)?);
        let size = if size == 0 { items.len().max(1) } else { size };
        Ok(Value::List(items.chunks(size).map(|chunk| Value::List(chunk.to_vec())).collect()))
    }

    fn slice(&self) -> Result<Value, Error> {
        let (items, start, end) = (self.list(0)?, self.whole(1)?, self.whole(2)?);
        let part = items.get(start..end);
        part.map(|part| Value::List(part.to_vec())).ok_or_else(|| Error::new(format!("no slice from {start} to {end}")))
    }

    fn sort(&self) -> Result<Value, Error> {
        let mut texts = self.list(0)?.iter().map(Value::text).collect::<Result<Vec<_>, _>>()?;
        texts.sort();
        Ok(strings(texts))
    }

    fn sets(&self) -> Answer {
        Some(match self.name {
            "sethaselement" => self.list(0).and_then(|items| Ok(Value::Bool(items.contains(self.arg(1)?)))),
            "setunion" => self.set_lists().map(|lists| set(lists.concat())),
            "setintersection" => self.set_lists().map(|lists| {
                let (first, rest) = lists.split_first().map_or((Vec::new(), &[][..]), |(a, b)| (a.clone(), b));
                set(first.into_iter().filter(|item| rest.iter().all(|list| list.contains(item))).collect())
            }),
            "setsubtract" => self.list(0).and_then(|left| {
                let right = self.list(1)?;
                Ok(set(left.iter().filter(|item| !right.contains(item)).cloned().collect()))
            }),
            "setproduct" => self.set_lists().map(|lists| {
                let start = vec![Vec::new()];
                let rows = lists.iter().fold(start, |rows: Vec<Vec<Value>>, list| {
                    let longer = |row: &Vec<Value>| -> Vec<Vec<Value>> {
                        list.iter().map(|item| row.iter().cloned().chain([item.clone()]).collect()).collect()
                    };
                    rows.iter().flat_map(longer).collect()
                });
                Value::List(rows.into_iter().map(Value::List).collect())
            }),
            _ => return None,
        })
    }

    fn set_lists(&self) -> Result<Vec<Vec<Value>>, Error> {
        self.args.iter().map(|arg| arg.list().map(<[_]>::to_vec)).collect()
    }

    fn codecs(&self) -> Answer {
        Some(match self.name {
            "base64encode" => self.text(0).map(|text| Value::String(STANDARD.encode(text))),
            "base64decode" => self.text(0).and_then(|text| {
                let bytes = STANDARD.decode(&text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                bytes.map(Value::String).ok_or_else(|| Error::new("this is no base64 of a text"))
            }),
            "jsonencode" => self.arg(0).map(|value| Value::String(super::json::compact(&value.json()))),
            "jsondecode" => self.text(0).and_then(|text| {
                let json = serde_json::from_str(&text).map_err(|error| Error::new(format!("this is no JSON: {error}")))?;
                Ok(Value::of_json(&json))
            }),
            "csvdecode" => self.text(0).map(|text| csvdecode(&text)),
            _ => return None,
        })
    }

    fn surroundings(&self, around: &Around<'_>) -> Answer {
        Some(match self.name {
            "timestamp" => Ok(Value::String(clock::rfc3339(around.now))),
            "formatdate" | "formattimestamp" => self
                .text(0)
                .and_then(|spec| clock::format(&spec, &self.text(1)?))
                .map(Value::String),
            "homedir" => around.home.map(|home| Value::String(home.to_owned())).ok_or_else(|| Error::new("there is no home directory")),
            _ => return None,
        })
    }
}

fn strings(texts: Vec<String>) -> Value {
    Value::List(texts.into_iter().map(Value::String).collect())
}

/// The values each once, in the order that sets have.
fn set(items: Vec<Value>) -> Value {
    let mut items = distinct(items);
    items.sort_by_key(|item| item.text().unwrap_or_default());
    Value::List(items)
}

fn flat(items: &[Value]) -> Vec<Value> {
    let each = |item: &Value| match item {
        Value::List(inner) => flat(inner),
        other => vec![other.clone()],
    };
    items.iter().flat_map(each).collect()
}

fn length(value: &Value) -> Result<Value, Error> {
    match value {
        Value::Object(items) => Ok(Value::Number(items.len() as f64)),
        other => other.list().map(|items| Value::Number(items.len() as f64)),
    }
}

fn csvdecode(text: &str) -> Value {
    let mut lines = text.lines().filter(|line| !line.is_empty()).map(csv);
    let header = lines.next().unwrap_or_default();
    let row = |fields: Vec<String>| {
        Value::Object(header.iter().cloned().zip(fields.into_iter().map(Value::String)).collect())
    };
    Value::List(lines.map(row).collect())
}

/// Division that refuses zero.
pub(super) fn divide(left: f64, right: f64) -> Result<Value, Error> {
    match right {
        0.0 => Err(Error::new("division by zero")),
        right => Ok(Value::Number(left / right)),
    }
}

/// The rest of a division.
pub(super) fn modulo(left: f64, right: f64) -> Result<Value, Error> {
    match right {
        0.0 => Err(Error::new("division by zero")),
        right => Ok(Value::Number(left % right)),
    }
}
