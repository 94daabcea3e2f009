//! Wildcards in COPY sources: Go's `filepath.Match`, component by component.

use layer::{Entry, SourceTree, TreeError};
use rootfs::TreePath;

/// Splits a cleaned path before its first component with a wildcard.
pub(super) fn split(path: &str) -> (String, Vec<String>) {
    let components: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let fixed = components.iter().take_while(|part| !has_wildcard(part)).count();
    let (fixed, patterns) = components.split_at(fixed);
    (format!("/{}", fixed.join("/")), patterns.iter().map(|part| (*part).to_owned()).collect())
}

/// Whether `part` has `*`, `?` or `[` outside an escape.
pub(super) fn has_wildcard(part: &str) -> bool {
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'*' | b'?' | b'[' => return true,
            _ => {}
        }
    }
    false
}

/// The paths below `dir` that match `patterns`, one component each, in the order of a directory walk.
pub(super) fn expand(tree: &dyn SourceTree, dir: &TreePath, patterns: &[String]) -> Result<Vec<TreePath>, TreeError> {
    let Some((pattern, rest)) = patterns.split_first() else { return Ok(vec![dir.clone()]) };
    let mut found = Vec::new();
    for child in tree.children(dir)? {
        if name_matches(pattern, &child) {
            found.extend(below(tree, &child, rest)?);
        }
    }
    Ok(found)
}

fn below(tree: &dyn SourceTree, child: &Entry, rest: &[String]) -> Result<Vec<TreePath>, TreeError> {
    match (rest.is_empty(), child.is_dir()) {
        (true, _) => Ok(vec![child.path.clone()]),
        (false, true) => expand(tree, &child.path, rest),
        (false, false) => Ok(Vec::new()),
    }
}

fn name_matches(pattern: &str, entry: &Entry) -> bool {
    let name = entry.path.file_name().unwrap_or_default();
    let name: Vec<char> = String::from_utf8_lossy(name).chars().collect();
    matches(&pattern.chars().collect::<Vec<_>>(), &name)
}

/// Go's `filepath.Match` for one component; a malformed pattern matches nothing. Only the last star is ever tried again
/// with more: what follows an earlier one has matched as early as it can.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    let mut star: Option<(&[char], &[char])> = None;
    loop {
        if let ['*', rest @ ..] = pattern {
            star = Some((rest, name));
            pattern = rest;
        } else if let Some((rest, left)) = one(pattern, name) {
            (pattern, name) = (rest, left);
        } else if pattern.is_empty() && name.is_empty() {
            return true;
        } else if let Some((after, [_, skipped @ ..])) = star {
            star = Some((after, skipped));
            (pattern, name) = (after, skipped);
        } else {
            return false;
        }
    }
}

/// What is left behind one character of the name and the part of the pattern that matches it.
fn one<'p, 'n>(pattern: &'p [char], name: &'n [char]) -> Option<(&'p [char], &'n [char])> {
    let (first, left) = name.split_first()?;
    let rest = match pattern {
        [] => None,
        ['?', rest @ ..] => Some(rest),
        ['[', rest @ ..] => class(rest, *first).and_then(|(hit, rest)| hit.then_some(rest)),
        ['\\', literal, rest @ ..] | [literal, rest @ ..] => (literal == first).then_some(rest),
    };
    rest.map(|rest| (rest, left))
}

/// Reads `^a-z]` after a `[`: whether it holds `wanted`, and what follows.
fn class(pattern: &[char], wanted: char) -> Option<(bool, &[char])> {
    let (negated, mut rest) = match pattern {
        ['^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut hit = false;
    let mut ranges = 0;
    loop {
        if let [']', after @ ..] = rest
            && ranges > 0
        {
            return Some((hit != negated, after));
        }
        let (low, after) = class_char(rest)?;
        let (high, after) = match after {
            ['-', after @ ..] => class_char(after)?,
            after => (low, after),
        };
        hit |= (low..=high).contains(&wanted);
        ranges += 1;
        rest = after;
    }
}

fn class_char(pattern: &[char]) -> Option<(char, &[char])> {
    match pattern {
        [] | ['-' | ']', ..] => None,
        ['\\', literal, rest @ ..] => Some((*literal, rest)),
        ['\\'] => None,
        [literal, rest @ ..] => Some((*literal, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_component_matches_as_go_does() {
        for (pattern, name, expected) in [
            ("*", "abc", true),
            ("a*c", "abc", true),
            ("a*c", "ab", false),
            ("*a*b", "aab", true),
            ("a*[b-c]*d", "axbxcxd", true),
            ("*b*", "aaa", false),
            ("**", "", true),
            ("?", "é", true),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[]a]", "]", false),
            ("[a", "a", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("[\\]]", "]", true),
            ("[-x]", "x", false),
        ] {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(matches(&chars(pattern), &chars(name)), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn splitting_keeps_escaped_wildcards_in_the_fixed_part() {
        assert_eq!(split("/a/b/*.txt"), ("/a/b".into(), vec!["*.txt".into()]));
        assert_eq!(split("/a/*/c"), ("/a".into(), vec!["*".into(), "c".into()]));
        assert_eq!(split("/a\\*"), ("/a\\*".into(), vec![]));
    }
}
