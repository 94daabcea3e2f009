//! Expressions, by precedence.

use super::cursor::Cursor;
use super::{Call, Expr, For, Kind, Operator, Step, Word};
use crate::bake::Error;
use crate::bake::value::{Number, Value};

/// Operators by precedence; those that are longer come first.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or)],
    &[("&&", Operator::And)],
    &[("==", Operator::Equal), ("!=", Operator::NotEqual)],
    &[("<=", Operator::LessOrEqual), (">=", Operator::GreaterOrEqual), ("<", Operator::Less), (">", Operator::Greater)],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Modulo)],
];

impl Cursor<'_> {
    /// An expression; blanks before it are skipped.
    pub(super) fn expression(&mut self) -> Result<Expr, Error> {
        self.deeper(Self::conditional)
    }

    fn make(&self, start: usize, kind: Kind) -> Expr {
        Expr { kind, span: self.span(start) }
    }

    fn conditional(&mut self) -> Result<Expr, Error> {
        self.blanks()?;
        let start = self.at;
        let condition = self.binary(0)?;
        if !self.eat_operator("?")? {
            return Ok(condition);
        }
        let then = self.expression()?;
        self.blanks()?;
        self.expect(":")?;
        let other = self.expression()?;
        Ok(self.make(start, Kind::If(Box::new([condition, then, other]))))
    }

    /// Takes a token after blanks; without it nothing is taken, so that places end where expressions do.
    fn eat_operator(&mut self, token: &str) -> Result<bool, Error> {
        let before = self.at;
        self.blanks()?;
        let found = self.eat(token);
        if !found {
            self.at = before;
        }
        Ok(found)
    }

    fn binary(&mut self, level: usize) -> Result<Expr, Error> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        self.blanks()?;
        let start = self.at;
        let mut left = self.binary(level + 1)?;
        let mut length = 0;
        while let Some(operator) = self.operator(operators)? {
            length += 1;
            self.check_depth(length)?;
            let right = self.binary(level + 1)?;
            left = self.make(start, Kind::Binary(operator, Box::new([left, right])));
        }
        Ok(left)
    }

    fn operator(&mut self, operators: &[(&str, Operator)]) -> Result<Option<Operator>, Error> {
        for (token, operator) in operators {
            if self.eat_operator(token)? {
                return Ok(Some(*operator));
            }
        }
        Ok(None)
    }

    fn unary(&mut self) -> Result<Expr, Error> {
        self.blanks()?;
        let start = self.at;
        let kind: fn(Box<Expr>) -> Kind = match self.peek() {
            Some('-') => Kind::Negate,
            Some('!') if !self.looking_at("!=") => Kind::Not,
            _ => return self.path(),
        };
        self.at += 1;
        let operand = self.deeper(Self::unary)?;
        Ok(self.make(start, kind(Box::new(operand))))
    }

    fn path(&mut self) -> Result<Expr, Error> {
        let start = self.at;
        let root = self.term()?;
        let mut steps = Vec::new();
        while self.step(&mut steps)? {}
        match steps.is_empty() {
            true => Ok(root),
            false => Ok(self.make(start, Kind::Path(Box::new(root), steps))),
        }
    }

    /// Takes one step, if there is one.
    fn step(&mut self, steps: &mut Vec<Step>) -> Result<bool, Error> {
        let before = self.at;
        self.blanks()?;
        match self.peek() {
            Some('.') if !self.looking_at("...") => self.dotted(steps).map(|()| true),
            Some('[') => self.indexed(steps).map(|()| true),
            _ => {
                self.at = before;
                Ok(false)
            }
        }
    }

    fn dotted(&mut self, steps: &mut Vec<Step>) -> Result<(), Error> {
        self.at += 1;
        self.blanks()?;
        let start = self.at;
        if let Some(word) = self.word() {
            steps.push(Step::Attribute(word));
        } else if self.eat("*") {
            steps.push(Step::AttributeSplat);
        } else if self.peek().is_some_and(|c| c.is_ascii_digit()) {
            let digits = self.digits();
            if self.looking_at(".") && self.rest().chars().nth(1).is_some_and(|c| c.is_ascii_digit()) {
                return Err(self.error("one index follows another").with_hint("[0][1] is the way to write it"));
            }
            let number = Number::parse(&digits).ok_or_else(|| self.error("this index is too large"))?;
            steps.push(Step::Index(self.make(start, Kind::Literal(Value::Number(number)))));
        } else {
            return Err(self.expected("the name of an attribute"));
        }
        Ok(())
    }

    fn indexed(&mut self, steps: &mut Vec<Step>) -> Result<(), Error> {
        self.at += 1;
        let index = self.bracketed("]", |cursor| {
            cursor.blanks()?;
            if cursor.eat("*") {
                return Ok(None);
            }
            cursor.expression().map(Some)
        })?;
        steps.push(index.map_or(Step::Splat, Step::Index));
        Ok(())
    }

    fn term(&mut self) -> Result<Expr, Error> {
        let start = self.at;
        match self.peek() {
            Some('(') => {
                self.at += 1;
                let inner = self.bracketed(")", Self::expression)?;
                Ok(Expr { span: self.span(start), ..inner })
            }
            Some('[') => self.list(),
            Some('{') => self.object(),
            Some('"') => self.quoted(),
            Some('<') if self.looking_at("<<") => self.heredoc(),
            Some(c) if c.is_ascii_digit() => self.number(),
            _ => match self.word() {
                Some(word) => self.named(word),
                None => Err(self.expected("a value")),
            },
        }
    }

    fn named(&mut self, mut word: Word) -> Result<Expr, Error> {
        let start = self.at - word.text.len();
        while self.eat("::") {
            let part = self.word().ok_or_else(|| self.expected("a name"))?;
            word.text = format!("{}::{}", word.text, part.text);
        }
        if self.eat_operator("(")? {
            return self.call(start, word);
        }
        let kind = match word.text.as_str() {
            "null" => Kind::Literal(Value::Null),
            "true" => Kind::Literal(Value::Bool(true)),
            "false" => Kind::Literal(Value::Bool(false)),
            _ => Kind::Name(word.text),
        };
        Ok(self.make(start, kind))
    }

    fn call(&mut self, start: usize, name: Word) -> Result<Expr, Error> {
        let mut spread = false;
        let arguments = self.bracketed(")", |cursor| {
            let mut arguments = Vec::new();
            while cursor.more(")")? && !spread {
                arguments.push(cursor.expression()?);
                spread = cursor.eat_operator("...")?;
                cursor.separator(")")?;
            }
            Ok(arguments)
        })?;
        Ok(self.make(start, Kind::Call(Call { name, arguments, spread })))
    }

    /// Whether something comes before the closing bracket.
    fn more(&mut self, close: &str) -> Result<bool, Error> {
        self.blanks()?;
        Ok(!self.looking_at(close))
    }

    /// A comma, unless the bracket closes.
    fn separator(&mut self, close: &str) -> Result<(), Error> {
        self.blanks()?;
        match self.eat(",") || self.looking_at(close) {
            true => Ok(()),
            false => Err(self.expected(&format!("\",\" or {close:?}"))),
        }
    }

    fn list(&mut self) -> Result<Expr, Error> {
        let start = self.at;
        self.at += 1;
        let kind = self.bracketed("]", |cursor| {
            cursor.blanks()?;
            if cursor.eat_word("for") {
                return cursor.each(false);
            }
            let mut items = Vec::new();
            while cursor.more("]")? {
                items.push(cursor.expression()?);
                cursor.separator("]")?;
            }
            Ok(Kind::List(items))
        })?;
        Ok(self.make(start, kind))
    }

    fn object(&mut self) -> Result<Expr, Error> {
        let start = self.at;
        self.at += 1;
        let kind = self.bracketed("}", |cursor| {
            cursor.blanks()?;
            if cursor.eat_word("for") {
                return cursor.each(true);
            }
            let mut items = Vec::new();
            while cursor.more("}")? {
                items.push(cursor.pair()?);
            }
            Ok(Kind::Object(items))
        })?;
        Ok(self.make(start, kind))
    }

    /// `key = value`, and the comma or the line end after it.
    fn pair(&mut self) -> Result<(Expr, Expr), Error> {
        let key = self.key()?;
        self.blanks()?;
        if !self.eat("=") {
            self.expect(":")?;
        }
        let value = self.with_lines(Self::expression)?;
        let end = self.at;
        self.blanks()?;
        let line_ends = self.text.get(end..self.at).is_some_and(|between| between.contains('\n'));
        match self.eat(",") || line_ends || self.looking_at("}") {
            true => Ok((key, value)),
            false => Err(self.expected("\",\", a new line or \"}\"")),
        }
    }

    /// A plain name is itself, everything else is evaluated.
    fn key(&mut self) -> Result<Expr, Error> {
        let start = self.at;
        if let Some(word) = self.word() {
            let end = self.at;
            self.blanks()?;
            if matches!(self.peek(), Some('=' | ':')) && !self.looking_at("==") && !self.looking_at("::") {
                return Ok(Expr { kind: Kind::Literal(Value::String(word.text)), span: word.span });
            }
            self.at = end;
        }
        self.at = start;
        self.expression()
    }

    fn each(&mut self, object: bool) -> Result<Kind, Error> {
        let (key, value, list) = self.each_of()?;
        self.blanks()?;
        self.expect(":")?;
        let first = self.expression()?;
        let (result_key, result) = match object {
            true => {
                self.blanks()?;
                self.expect("=>")?;
                (Some(first), self.expression()?)
            }
            false => (None, first),
        };
        let grouped = object && self.eat_operator("...")?;
        self.blanks()?;
        let condition = if self.eat_word("if") { Some(self.expression()?) } else { None };
        Ok(Kind::For(Box::new(For { key, value, list, result_key, result, grouped, condition })))
    }

    /// `key, value in list`.
    pub(super) fn each_of(&mut self) -> Result<(Option<String>, String, Expr), Error> {
        let first = self.variable()?;
        let (key, value) = match self.eat_operator(",")? {
            true => (Some(first), self.variable()?),
            false => (None, first),
        };
        self.blanks()?;
        if !self.eat_word("in") {
            return Err(self.expected("\"in\""));
        }
        Ok((key, value, self.expression()?))
    }

    fn variable(&mut self) -> Result<String, Error> {
        self.blanks()?;
        self.word().map(|word| word.text).ok_or_else(|| self.expected("the name of a variable"))
    }

    fn number(&mut self) -> Result<Expr, Error> {
        let start = self.at;
        let mut text = self.digits();
        if self.looking_at(".") && self.rest().chars().nth(1).is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            text = format!("{text}.{}", self.digits());
        }
        text += &self.exponent();
        let number = Number::parse(&text);
        let number = number.ok_or_else(|| Error::new("this number is too large").at(self.span(start)))?;
        Ok(self.make(start, Kind::Literal(Value::Number(number))))
    }

    fn digits(&mut self) -> String {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default().to_owned()
    }

    fn exponent(&mut self) -> String {
        let start = self.at;
        if self.eat("e") || self.eat("E") {
            let sign = if self.eat("-") { "-" } else { "" };
            self.eat("+");
            let digits = self.digits();
            if !digits.is_empty() {
                return format!("e{sign}{digits}");
            }
        }
        self.at = start;
        String::new()
    }
}
