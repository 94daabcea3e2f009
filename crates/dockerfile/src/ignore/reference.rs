//! A slow and obvious reading of the same rules, to test the fast one against.

/// Whether `pattern`, one of the plain ones (`*`, `**`, `?`, `[ab]`, `[^ab]`, letters, `/`), matches all of `path`.
pub(super) fn glob(pattern: &[char], path: &[char]) -> bool {
    match pattern {
        [] => path.is_empty(),
        ['*', '*', '/'] | ['*', '*'] => true,
        ['*', '*', '/', rest @ ..] | ['*', '*', rest @ ..] => {
            glob(rest, path) || (0..path.len()).any(|at| path[at] == '/' && glob(rest, &path[at + 1..]))
        }
        ['*', rest @ ..] => {
            glob(rest, path) || path.first().is_some_and(|char| *char != '/') && glob(pattern, &path[1..])
        }
        ['?', rest @ ..] => path.first().is_some_and(|char| *char != '/') && glob(rest, &path[1..]),
        ['[', rest @ ..] => {
            let end = rest.iter().position(|char| *char == ']').expect("tests write whole classes");
            let (negated, set) = match &rest[..end] {
                ['^', set @ ..] => (true, set),
                set => (false, set),
            };
            path.first().is_some_and(|char| set.contains(char) != negated) && glob(&rest[end + 1..], &path[1..])
        }
        [char, rest @ ..] => path.first() == Some(char) && glob(rest, &path[1..]),
    }
}

/// A pattern that starts with `**` and goes on with plain text is a mere suffix.
pub(super) fn matches_one(pattern: &str, path: &str) -> bool {
    if let Some(suffix) = pattern.strip_prefix("**")
        && !suffix.contains(['*', '?', '['])
    {
        return path.ends_with(suffix) || suffix.strip_prefix('/') == Some(path);
    }
    let chars: (Vec<char>, Vec<char>) = (pattern.chars().collect(), path.chars().collect());
    glob(&chars.0, &chars.1)
}

/// Last match wins, over the path and everything above it.
pub(super) fn excluded(patterns: &[String], path: &str) -> bool {
    let mut excluded = false;
    let parts: Vec<&str> = path.split('/').collect();
    for pattern in patterns {
        let (exception, body) = match pattern.strip_prefix('!') {
            Some(body) => (true, body),
            None => (false, pattern.as_str()),
        };
        if (1..=parts.len()).any(|depth| matches_one(body, &parts[..depth].join("/"))) {
            excluded = !exception;
        }
    }
    excluded
}
