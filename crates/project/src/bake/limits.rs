//! How much a bake file may ask for, so that a small text cannot fill the memory or run forever.

use std::cell::Cell;

use super::Error;

/// The longest text of a file.
pub(super) const MAX_TEXT: usize = 8 << 20;
/// The longest text that a function makes.
const MAX_STRING: usize = 16 << 20;
/// Everything that all expressions together may make, roughly in bytes.
const MAX_WORK: usize = 256 << 20;
/// How deep evaluation goes: variables that need variables, functions that call functions.
const MAX_DEPTH: usize = 250;
/// Targets that one matrix makes.
pub(super) const MAX_MATRIX: usize = 10_000;

/// What is left of what may be done.
#[derive(Debug)]
pub(super) struct Budget {
    work: Cell<usize>,
    depth: Cell<usize>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { work: Cell::new(MAX_WORK), depth: Cell::new(0) }
    }
}

impl Budget {
    /// Takes from the budget.
    pub(super) fn spend(&self, work: usize) -> Result<(), Error> {
        match self.work.get().checked_sub(work + 1) {
            Some(left) => {
                self.work.set(left);
                Ok(())
            }
            None => Err(Error::limit("the values of this file grow beyond all measure").with_hint(format!(
                "all values together may have {} MiB: look for texts or lists that double themselves",
                MAX_WORK >> 20
            ))),
        }
    }

    /// Evaluates one level deeper.
    pub(super) fn deeper<T>(&self, evaluate: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        if self.depth.get() >= MAX_DEPTH {
            return Err(Error::limit(format!("this needs values that need values, more than {MAX_DEPTH} deep")));
        }
        self.depth.set(self.depth.get() + 1);
        let evaluated = evaluate();
        self.depth.set(self.depth.get() - 1);
        evaluated
    }
}

/// Whether a text of that length may be made; asked before it is.
pub(super) fn string(length: Option<usize>) -> Result<(), Error> {
    match length {
        Some(length) if length <= MAX_STRING => Ok(()),
        _ => Err(Error::limit(format!("this makes a text of more than {} MiB", MAX_STRING >> 20))),
    }
}

/// Whether a list of that many items may be made.
pub(super) fn items(count: Option<usize>) -> Result<(), Error> {
    match count {
        Some(count) if count <= MAX_STRING / 64 => Ok(()),
        _ => Err(Error::limit(format!("this makes more than {} values", MAX_STRING / 64))),
    }
}
