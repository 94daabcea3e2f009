//! The text of a bake file as blocks, attributes and expressions, whether it is written in HCL or in JSON.
//!
//! The parser is our own: nesting is bounded, so that hostile text is an error and no overflow of the stack; numbers keep
//! all their digits; and every node has its place, in JSON too.

mod body;
mod cursor;
mod expression;
mod json;
mod template;

pub(super) use json::expression as json_expression;

use super::value::Value;
use super::{Error, Input};

/// How deep expressions, blocks and templates may be nested.
pub(super) const MAX_DEPTH: usize = 120;

/// A part of a file, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// Which file, counted from 0.
    pub(super) file: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A name and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) span: Span,
}

/// What is between braces, or the whole file.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) attributes: Vec<Attribute>,
    pub(super) blocks: Vec<Block>,
}

/// `name = value`.
#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) name: Word,
    pub(super) value: Expr,
}

/// `kind "label" { ... }`.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) kind: Word,
    pub(super) labels: Vec<Word>,
    pub(super) body: Body,
}

/// An expression and where it is written.
#[derive(Debug)]
pub(super) struct Expr {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// What an expression is.
#[derive(Debug)]
pub(super) enum Kind {
    Literal(Value),
    Template(Vec<Part>),
    List(Vec<Expr>),
    Object(Vec<(Expr, Expr)>),
    Name(String),
    Call(Call),
    Path(Box<Expr>, Vec<Step>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Binary(Operator, Box<[Expr; 2]>),
    /// Condition, then, else.
    If(Box<[Expr; 3]>),
    For(Box<For>),
}

/// A call of a function.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: Word,
    pub(super) arguments: Vec<Expr>,
    /// `f(list...)`.
    pub(super) spread: bool,
}

/// A step into a value.
#[derive(Debug)]
pub(super) enum Step {
    Attribute(Word),
    Index(Expr),
    /// `.*`: only attributes follow on its elements.
    AttributeSplat,
    /// `[*]`.
    Splat,
}

/// `[for key, value in list : result if condition]`.
#[derive(Debug)]
pub(super) struct For {
    pub(super) key: Option<String>,
    pub(super) value: String,
    pub(super) list: Expr,
    /// For objects.
    pub(super) result_key: Option<Expr>,
    pub(super) result: Expr,
    /// `...`: values of one key are collected.
    pub(super) grouped: bool,
    pub(super) condition: Option<Expr>,
}

/// A part of a template.
#[derive(Debug)]
pub(super) enum Part {
    Text(String),
    Value(Expr),
    If { condition: Expr, then: Vec<Part>, other: Vec<Part> },
    For { key: Option<String>, value: String, list: Expr, parts: Vec<Part> },
}

/// Operators of two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl Body {
    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name.text == name)
    }
}

/// Reads the file of that number; by its name, and otherwise by what it is.
pub(super) fn parse(file: usize, input: &Input) -> Result<Body, Error> {
    if input.text.len() > super::limits::MAX_TEXT {
        return Err(Error::limit(format!("{} is larger than {} MiB", input.name, super::limits::MAX_TEXT >> 20)));
    }
    let name = input.name.to_lowercase();
    let json = name.ends_with(".json") || !name.ends_with(".hcl") && input.text.trim_start().starts_with('{');
    if json { json::body(file, &input.text) } else { body::file(file, &input.text) }
}

/// Reads one expression, such as a type in a JSON file.
pub(super) fn parse_expression(text: &str, span: Span) -> Result<Expr, Error> {
    cursor::Cursor::within(text, span).whole_expression()
}
