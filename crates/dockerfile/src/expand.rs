//! Expansion of words: variables, quotes and escapes, as the shell lexer of BuildKit does it.

mod environment;
mod error;

pub use environment::{Environment, NoVariables};
pub use error::ExpandError;
