//! What a .dockerignore leaves of a directory, decided for single paths.
//!
//! BuildKit filters while it walks the whole context (`fsutil`'s `filterFS`); here the walk's state is computed for the path
//! that is asked for, so that nothing else need be visited.

use std::sync::{Mutex, PoisonError};

use dockerfile::ignore::{Matched, Patterns};
use rootfs::TreePath;

/// The patterns of a context, if it has any.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    patterns: Option<Patterns>,
    /// The way to the directory that was asked for last, each with the state inside: who walks asks for its neighbours next,
    /// and matching all above each of them again would take the square of their depth.
    walked: Mutex<Vec<(TreePath, Option<Matched>)>>,
}

/// What becomes of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// It is part of the context.
    Shown,
    /// It is not, and neither is anything below it.
    Hidden,
    /// A directory left out that appears after all when something below it does.
    Perhaps,
}

impl Filter {
    pub(crate) fn new(patterns: Option<Patterns>) -> Self {
        Self { patterns: patterns.filter(|patterns| !patterns.is_empty()), walked: Mutex::default() }
    }

    /// Whether nothing is left out.
    pub(crate) fn shows_all(&self) -> bool {
        self.patterns.is_none()
    }

    /// The state of the walk inside `dir`; `None` when the walk does not come there.
    pub(crate) fn inside(&self, dir: &TreePath) -> Option<Matched> {
        if self.patterns.is_none() {
            return Some(Matched::default());
        }
        let mut walked = self.walked.lock().unwrap_or_else(PoisonError::into_inner);
        while walked.last().is_some_and(|(path, _)| !dir.starts_with(path)) {
            walked.pop();
        }
        let known = walked.last().map(|(path, _)| path.clone());
        let unknown: Vec<TreePath> = dir.ancestors().take_while(|above| Some(above) != known.as_ref()).collect();
        let mut state = walked.last().map_or_else(|| Some(Matched::default()), |(_, state)| state.clone());
        for path in unknown.into_iter().rev() {
            state = state.and_then(|above| match self.look(&path, true, &above) {
                (Sight::Hidden, _) => None,
                (_, below) => Some(below),
            });
            walked.push((path, state.clone()));
        }
        state
    }

    /// What becomes of `path`, whose parent's state is known, and the state below it.
    pub(crate) fn look(&self, path: &TreePath, directory: bool, parent: &Matched) -> (Sight, Matched) {
        let Some(patterns) = self.patterns.as_ref().filter(|_| !path.is_root()) else {
            return (Sight::Shown, Matched::default());
        };
        let text = text(path);
        let (matched, below) = patterns.matches_below(&text, parent);
        let sight = match matched {
            false => Sight::Shown,
            true if directory && patterns.must_enter(&text) => Sight::Perhaps,
            true => Sight::Hidden,
        };
        (sight, below)
    }
}

/// As patterns see a path: each byte that is not UTF-8 is one U+FFFD, as for Go's regular expressions.
fn text(path: &TreePath) -> String {
    let mut text = String::with_capacity(path.as_bytes().len());
    for chunk in path.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(ignore: &str, path: &str, directory: bool) -> Option<Sight> {
        let filter = Filter::new(Some(Patterns::parse(ignore).expect("patterns")));
        let path = TreePath::new(path).expect("a path");
        let state = filter.inside(&path.parent().expect("not the root"))?;
        Some(filter.look(&path, directory, &state).0)
    }

    #[test]
    fn below_a_hidden_directory_nothing_is_asked() {
        assert_eq!(sight("a", "a", true), Some(Sight::Hidden));
        assert_eq!(sight("a", "a/b", false), None);
        assert_eq!(sight("a\n!c/d", "a/b/c", false), None);
    }

    #[test]
    fn what_was_asked_before_does_not_matter() {
        let text = "a\nd/*\n!d/e\n**/x\n";
        let at = |text: &str| TreePath::new(text).expect("a path");
        let filter = Filter::new(Some(Patterns::parse(text).expect("patterns")));
        for dir in ["d/e/f", "a/b", "d/e", "", "d/e/f/x/y", "d/e/g", "a", "d/h/i", "d"] {
            let fresh = Filter::new(Some(Patterns::parse(text).expect("patterns")));
            assert_eq!(filter.inside(&at(dir)), fresh.inside(&at(dir)), "{dir}");
        }
    }

    #[test]
    fn an_exception_below_keeps_a_directory_open() {
        assert_eq!(sight("a\n!a/b", "a", true), Some(Sight::Perhaps));
        assert_eq!(sight("a\n!a/b", "a/b", false), Some(Sight::Shown));
        assert_eq!(sight("a\n!a/b", "a/c", false), Some(Sight::Hidden));
        assert_eq!(sight("*\n!**/*.rs", "x/y", true), Some(Sight::Perhaps));
    }

    #[test]
    fn bytes_that_are_no_text_count_one_each() {
        assert_eq!(text(&TreePath::new(b"a\xff\xe2\x82z").expect("a path")), "a\u{fffd}\u{fffd}\u{fffd}z");
    }
}
