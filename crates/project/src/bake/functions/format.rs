//! `format` and `formatlist`: `%` verbs with flags, width and precision.

use crate::bake::Error;
use crate::bake::limits;
use crate::bake::value::{Number, Value};

/// The text with its verbs replaced by the arguments.
pub(super) fn format(spec: &str, arguments: &[Value]) -> Result<String, Error> {
    let (mut out, mut rest, mut next, mut used) = (String::new(), spec, 0, 0);
    while let Some((before, after)) = rest.split_once('%') {
        out += before;
        let (verb, tail) = Verb::read(after)?;
        rest = tail;
        if verb.letter == '%' {
            out.push('%');
            continue;
        }
        let at = verb.argument.unwrap_or(next);
        let argument = arguments.get(at).ok_or_else(|| Error::new(format!("%{} has no argument", verb.letter)))?;
        out += &verb.show(argument)?;
        next = at + 1;
        used = used.max(next);
        limits::string(Some(out.len()))?;
    }
    match used < arguments.len() {
        true => Err(Error::new(format!("{} arguments are given and {used} are used", arguments.len()))),
        false => Ok(out + rest),
    }
}

/// The text for every item of the lists among the arguments.
pub(super) fn formatlist(spec: &str, arguments: &[Value]) -> Result<Value, Error> {
    let mut lengths = arguments.iter().filter_map(|argument| argument.list().ok().map(<[_]>::len));
    let count = lengths.next().unwrap_or(1);
    if lengths.any(|other| other != count) {
        return Err(Error::new("the lists are not of one length"));
    }
    let row = |at: usize| {
        let picked = arguments.iter().map(|argument| match argument {
            Value::List(items) | Value::Set(items) => items.get(at).cloned().unwrap_or(Value::Null),
            other => other.clone(),
        });
        format(spec, &picked.collect::<Vec<_>>()).map(Value::String)
    };
    (0..count).map(row).collect::<Result<_, _>>().map(Value::List)
}

#[derive(Default)]
struct Verb {
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
    /// Counted from 0.
    argument: Option<usize>,
    letter: char,
}

impl Verb {
    /// Reads what is behind `%`.
    fn read(text: &str) -> Result<(Self, &str), Error> {
        let mut verb = Self::default();
        let body = text.trim_start_matches(['-', '+', ' ', '#', '0']);
        for flag in text[..text.len() - body.len()].chars() {
            match flag {
                '-' => verb.left = true,
                '+' => verb.plus = true,
                ' ' => verb.space = true,
                '#' => verb.alternate = true,
                _ => verb.zero = true,
            }
        }
        let (width, body) = digits(body);
        verb.width = width.unwrap_or(0);
        let mut body = body;
        if let Some(after) = body.strip_prefix('.') {
            let (precision, after) = digits(after);
            (verb.precision, body) = (Some(precision.unwrap_or(0)), after);
        }
        if let Some((number, after)) = body.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            let number = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            verb.argument = Some(number.ok_or_else(|| Error::new("an argument is counted from 1"))?);
            body = after;
        }
        verb.letter = body.chars().next().ok_or_else(|| Error::new("the format ends within a verb"))?;
        limits::string(Some(verb.width.max(verb.precision.unwrap_or(0))))?;
        let rest = &body[verb.letter.len_utf8()..];
        Ok((verb, rest))
    }

    fn show(&self, value: &Value) -> Result<String, Error> {
        let text = match (self.letter, value) {
            ('s', value) => self.cut(value.text()?),
            ('v', Value::Number(number)) => self.signed(number.to_string()),
            ('v', Value::String(text)) if !self.alternate => self.cut(text.clone()),
            ('v', value) => value.compact(),
            ('q', value) => Value::String(self.cut(value.text()?)).compact(),
            ('t', value) => value.bool()?.to_string(),
            (letter, value) => self.number(letter, &value.number()?)?,
        };
        Ok(self.padded(text))
    }

    fn number(&self, letter: char, number: &Number) -> Result<String, Error> {
        let radix = |base| number.radix(base);
        let text = match letter {
            'd' => radix(10),
            'b' => radix(2),
            'o' => radix(8),
            'x' => radix(16),
            'X' => radix(16).to_uppercase(),
            'f' | 'F' => number.fixed(self.precision.unwrap_or(6)),
            'e' => self.exponent(number.float()),
            'E' => self.exponent(number.float()).to_uppercase(),
            'g' => self.shortest(number),
            'G' => self.shortest(number).to_uppercase(),
            other => return Err(Error::new(format!("the verb %{other} is unknown")).with_hint("%v shows any value")),
        };
        Ok(self.signed(text))
    }

    /// As Go writes it: two digits at least in the exponent.
    fn exponent(&self, number: f64) -> String {
        let text = format!("{number:.*e}", self.precision.unwrap_or(6).min(100));
        two_digits(&text)
    }

    fn shortest(&self, number: &Number) -> String {
        let float = number.float();
        let digits = self.precision.map(|digits| digits.clamp(1, 100));
        let scientific = match digits {
            Some(digits) => format!("{float:.*e}", digits - 1),
            None => format!("{float:e}"),
        };
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let exponent: i64 = exponent.parse().unwrap_or(0);
        let limit = digits.map_or(21, |digits| digits as i64);
        if exponent < -4 || exponent >= limit {
            let mantissa =
                if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
            return two_digits(&format!("{mantissa}e{exponent}"));
        }
        let behind = digits.map(|digits| (digits as i64 - 1 - exponent).max(0) as usize);
        let text = behind.map_or_else(|| number.to_string(), |behind| number.fixed(behind));
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    }

    fn cut(&self, text: String) -> String {
        self.precision.map_or_else(|| text.clone(), |count| text.chars().take(count).collect())
    }

    fn signed(&self, text: String) -> String {
        match (text.starts_with('-'), self.plus, self.space) {
            (false, true, _) => format!("+{text}"),
            (false, false, true) => format!(" {text}"),
            _ => text,
        }
    }

    fn padded(&self, text: String) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        let zeros = self.zero && !self.left;
        match (self.left, zeros) {
            (true, _) => text + &" ".repeat(missing),
            (false, false) => " ".repeat(missing) + &text,
            (false, true) => {
                let digits = text.trim_start_matches(['-', '+']);
                let sign = &text[..text.len() - digits.len()];
                format!("{sign}{}{digits}", "0".repeat(missing))
            }
        }
    }
}

/// `1.5e7` as `1.5e+07`.
fn two_digits(text: &str) -> String {
    let Some((mantissa, exponent)) = text.split_once('e') else { return text.to_owned() };
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

fn digits(text: &str) -> (Option<usize>, &str) {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &text[..text.len() - rest.len()];
    (if digits.is_empty() { None } else { Some(digits.parse().unwrap_or(usize::MAX)) }, rest)
}
