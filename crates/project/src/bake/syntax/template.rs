//! Texts with values in them: `${...}` and `%{...}`, in quotes and in heredocs.

use super::cursor::Cursor;
use super::{Expr, Kind, Part};
use crate::bake::Error;
use crate::bake::value::Value;

/// What a template is made of before `if` and `for` are matched with their ends.
enum Token {
    Text(String),
    Value(Expr),
    If(Expr),
    Else,
    EndIf,
    For(Option<String>, String, Expr),
    EndFor,
}

/// Where a template ends, and what its letters mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Frame {
    /// At a quote; backslashes escape.
    Quoted,
    /// At the end of the text.
    Plain,
}

impl Cursor<'_> {
    /// A text in quotes.
    pub(super) fn quoted(&mut self) -> Result<Expr, Error> {
        let start = self.at;
        self.at += 1;
        let tokens = self.tokens(Frame::Quoted)?;
        self.expect("\"")?;
        let kind = self.template(tokens)?;
        Ok(Expr { kind, span: self.span(start) })
    }

    /// The rest of the text, such as a string of JSON.
    pub(super) fn whole_template(mut self) -> Result<Kind, Error> {
        let tokens = self.tokens(Frame::Plain)?;
        self.template(tokens)
    }

    /// The rest of a text in quotes that has nothing but letters.
    pub(super) fn plain_text(&mut self) -> Result<String, Error> {
        let kind = {
            let tokens = self.tokens(Frame::Quoted)?;
            self.expect("\"")?;
            self.template(tokens)?
        };
        match kind {
            Kind::Literal(Value::String(text)) => Ok(text),
            _ => Err(self.error("a name has no ${...} in it")),
        }
    }

    /// `<<NAME` or `<<-NAME` until a line that is NAME.
    pub(super) fn heredoc(&mut self) -> Result<Expr, Error> {
        let start = self.at;
        self.at += 2;
        let flush = self.eat("-");
        let marker = self.word().ok_or_else(|| self.expected("the name of a heredoc"))?.text;
        self.eat("\r");
        self.expect("\n")?;
        let (text, after) = self.until_line(&marker, start)?;
        let mut tokens = self.heredoc_tokens(text)?;
        if flush {
            dedent(&mut tokens);
        }
        let kind = self.template(tokens)?;
        self.at = after;
        Ok(Expr { kind, span: self.span(start) })
    }

    /// The end of the lines before the marker, and where the marker ends.
    fn until_line(&self, marker: &str, start: usize) -> Result<(usize, usize), Error> {
        let mut at = self.at;
        for line in self.rest().split_inclusive('\n') {
            if line.trim() == marker {
                let blanks = line.len() - line.trim_start().len();
                return Ok((at, at + blanks + marker.len()));
            }
            at += line.len();
        }
        Err(Error::new(format!("there is no line {marker} that ends this")).at(self.span(start)))
    }

    /// The tokens up to there; nothing after that is looked at.
    fn heredoc_tokens(&mut self, end: usize) -> Result<Vec<Token>, Error> {
        let whole = self.text;
        self.text = whole.get(..end).unwrap_or_default();
        let tokens = self.tokens(Frame::Plain);
        self.text = whole;
        tokens
    }

    fn tokens(&mut self, frame: Frame) -> Result<Vec<Token>, Error> {
        let (mut tokens, mut text, mut trim) = (Vec::new(), String::new(), false);
        loop {
            match self.peek() {
                None => break,
                Some('"') if frame == Frame::Quoted => break,
                Some('\n') if frame == Frame::Quoted => return Err(self.error("this text has no closing quote")),
                Some('\\') if frame == Frame::Quoted => text.push(self.escape()?),
                Some('$') if self.eat("$${") => text += "${",
                Some('%') if self.eat("%%{") => text += "%{",
                Some('$' | '%') if self.looking_at("${") || self.looking_at("%{") => {
                    push_text(&mut tokens, &mut text, trim);
                    let token = self.sequence(&mut tokens)?;
                    trim = self.closing()?;
                    tokens.push(token);
                }
                Some(c) => {
                    self.at += c.len_utf8();
                    text.push(c);
                    if c == '\n' {
                        push_text(&mut tokens, &mut text, trim);
                        trim = false;
                    }
                }
            }
        }
        push_text(&mut tokens, &mut text, trim);
        Ok(tokens)
    }

    /// `${` or `%{` and what follows, up to the brace.
    fn sequence(&mut self, tokens: &mut [Token]) -> Result<Token, Error> {
        let directive = self.looking_at("%{");
        self.at += 2;
        if self.eat("~")
            && let Some(Token::Text(before)) = tokens.last_mut()
        {
            before.truncate(before.trim_end().len());
        }
        self.brackets += 1;
        let token =
            self.deeper(|cursor| if directive { cursor.directive() } else { cursor.expression().map(Token::Value) });
        let token = token.and_then(|token| self.blanks().map(|()| token));
        self.brackets -= 1;
        token
    }

    /// The brace; whether blanks after it are dropped.
    fn closing(&mut self) -> Result<bool, Error> {
        let trim = self.eat("~");
        self.expect("}").map(|()| trim)
    }

    fn directive(&mut self) -> Result<Token, Error> {
        self.blanks()?;
        let word = self.word().ok_or_else(|| self.expected("if, else, endif, for or endfor"))?;
        match word.text.as_str() {
            "if" => Ok(Token::If(self.expression()?)),
            "else" => Ok(Token::Else),
            "endif" => Ok(Token::EndIf),
            "for" => self.each_of().map(|(key, value, list)| Token::For(key, value, list)),
            "endfor" => Ok(Token::EndFor),
            other => {
                let error = Error::new(format!("{other} cannot stand in %{{ }}")).at(word.span);
                Err(error.meant(other, ["if", "else", "endif", "for", "endfor"]))
            }
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let start = self.at;
        self.at += 1;
        let digits = match self.next() {
            Some('n') => return Ok('\n'),
            Some('r') => return Ok('\r'),
            Some('t') => return Ok('\t'),
            Some('"') => return Ok('"'),
            Some('\\') => return Ok('\\'),
            Some('u') => 4,
            Some('U') => 8,
            _ => 0,
        };
        let code = self.rest().get(..digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += if code.is_some() { digits } else { 0 };
        let found = code.filter(|_| digits > 0).and_then(char::from_u32);
        let hint = r#"\n, \r, \t, \", \\, \uXXXX and \UXXXXXXXX are known; \\ is a backslash"#;
        found.ok_or_else(|| Error::new("this escape is unknown").with_hint(hint).at(self.span(start)))
    }

    /// Matches `if` and `for` with their ends; a template of one value is that value.
    fn template(&self, tokens: Vec<Token>) -> Result<Kind, Error> {
        let mut tokens = tokens.into_iter();
        let (mut parts, end) = self.parts(&mut tokens, 0)?;
        if end.is_some() {
            return Err(self.error("this template has an end without a beginning"));
        }
        match &parts[..] {
            [] => Ok(Kind::Literal(Value::String(String::new()))),
            [Part::Value(_)] => match parts.pop() {
                Some(Part::Value(only)) => Ok(only.kind),
                _ => Ok(Kind::Template(parts)),
            },
            _ => Ok(plain(&parts).map_or(Kind::Template(parts), |text| Kind::Literal(Value::String(text)))),
        }
    }

    fn parts(
        &self,
        tokens: &mut dyn Iterator<Item = Token>,
        depth: usize,
    ) -> Result<(Vec<Part>, Option<Token>), Error> {
        self.check_depth(depth)?;
        let mut parts = Vec::new();
        while let Some(token) = tokens.next() {
            match token {
                Token::Text(text) => parts.push(Part::Text(text)),
                Token::Value(value) => parts.push(Part::Value(value)),
                Token::If(condition) => parts.push(self.choice(condition, tokens, depth + 1)?),
                Token::For(key, value, list) => {
                    let (inner, end) = self.parts(tokens, depth + 1)?;
                    if !matches!(end, Some(Token::EndFor)) {
                        return Err(self.error("this %{for} has no %{endfor}"));
                    }
                    parts.push(Part::For { key, value, list, parts: inner });
                }
                end => return Ok((parts, Some(end))),
            }
        }
        Ok((parts, None))
    }

    fn choice(&self, condition: Expr, tokens: &mut dyn Iterator<Item = Token>, depth: usize) -> Result<Part, Error> {
        let (then, end) = self.parts(tokens, depth)?;
        let (other, end) = match end {
            Some(Token::Else) => self.parts(tokens, depth)?,
            end => (Vec::new(), end),
        };
        match end {
            Some(Token::EndIf) => Ok(Part::If { condition, then, other }),
            _ => Err(self.error("this %{if} has no %{endif}")),
        }
    }
}

/// The text, when there is nothing else.
fn plain(parts: &[Part]) -> Option<String> {
    parts.iter().map(|part| if let Part::Text(text) = part { Some(text.as_str()) } else { None }).collect()
}

fn push_text(tokens: &mut Vec<Token>, text: &mut String, trim: bool) {
    let text = std::mem::take(text);
    let text = if trim { text.trim_start().to_owned() } else { text };
    if !text.is_empty() {
        tokens.push(Token::Text(text));
    }
}

/// Takes from every line the blanks that all lines begin with; empty lines do not count.
fn dedent(tokens: &mut [Token]) {
    let mut least = usize::MAX;
    let mut first = true;
    for token in tokens.iter() {
        if std::mem::replace(&mut first, ends_line(token)) {
            least = least.min(indent(token));
        }
    }
    let mut first = true;
    for token in tokens {
        let ends = ends_line(token);
        if std::mem::replace(&mut first, ends)
            && let Token::Text(text) = token
        {
            let cut = least.min(text.len() - text.trim_start_matches([' ', '\t']).len());
            text.drain(..cut);
        }
    }
}

fn ends_line(token: &Token) -> bool {
    matches!(token, Token::Text(text) if text.ends_with('\n'))
}

fn indent(token: &Token) -> usize {
    match token {
        Token::Text(text) if text.trim().is_empty() && text.ends_with('\n') => usize::MAX,
        Token::Text(text) => text.len() - text.trim_start_matches([' ', '\t']).len(),
        _ => 0,
    }
}
