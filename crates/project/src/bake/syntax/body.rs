//! Bodies: attributes and blocks.

use super::cursor::Cursor;
use super::{Attribute, Block, Body, Word};
use crate::bake::Error;

/// A whole file.
pub(super) fn file(number: usize, text: &str) -> Result<Body, Error> {
    let mut cursor = Cursor::new(number, text);
    cursor.eat("\u{feff}");
    let body = cursor.body()?;
    match cursor.peek() {
        None => Ok(body),
        Some(_) => Err(cursor.expected("an attribute or a block")),
    }
}

impl Cursor<'_> {
    /// Until the end, or a closing brace, which is left.
    fn body(&mut self) -> Result<Body, Error> {
        let (mut body, start) = (Body::default(), self.at);
        loop {
            self.lines()?;
            let Some(name) = self.word() else { return Ok(body) };
            self.item(name, &mut body)?;
            self.blanks()?;
            let one_line = || !self.text.get(start..self.at).is_some_and(|text| text.contains('\n'));
            match self.peek() {
                None | Some('\n') => {}
                Some('}') if body.blocks.is_empty() && body.attributes.len() == 1 && one_line() => {}
                _ => return Err(self.expected("a new line")),
            }
        }
    }

    fn item(&mut self, name: Word, body: &mut Body) -> Result<(), Error> {
        self.blanks()?;
        if self.looking_at("=") && !self.looking_at("==") {
            self.at += 1;
            let attribute = self.attribute(name)?;
            return body.add(attribute);
        }
        body.blocks.push(self.block(name)?);
        Ok(())
    }

    fn attribute(&mut self, name: Word) -> Result<Attribute, Error> {
        Ok(Attribute { name, value: self.expression()? })
    }

    fn block(&mut self, kind: Word) -> Result<Block, Error> {
        let mut labels = Vec::new();
        loop {
            self.blanks()?;
            match self.peek() {
                Some('{') => break,
                Some('"') => labels.push(self.quoted_word()?),
                _ => labels.push(self.word().ok_or_else(|| self.expected("\"=\" or \"{\""))?),
            }
        }
        self.at += 1;
        let body = self.with_lines(Self::body)?;
        self.expect("}")?;
        Ok(Block { kind, labels, body })
    }

    fn quoted_word(&mut self) -> Result<Word, Error> {
        let start = self.at;
        self.at += 1;
        let text = self.plain_text()?;
        Ok(Word { text, span: self.span(start) })
    }
}

impl Body {
    /// Each name once.
    pub(super) fn add(&mut self, attribute: Attribute) -> Result<(), Error> {
        if self.attribute(&attribute.name.text).is_some() {
            let error = Error::new(format!("{} is set twice here", attribute.name.text));
            return Err(error.at(attribute.name.span));
        }
        self.attributes.push(attribute);
        Ok(())
    }
}
