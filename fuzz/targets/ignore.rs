//! Ignore files: no panic on any text; plain patterns against the slow reading that the crate's tests use.
#![no_main]

#[path = "../../crates/dockerfile/src/ignore/reference.rs"]
mod reference;

use dockerfile::ignore::{Matched, Patterns, clean};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    if kind % 2 == 0 { any_text(&String::from_utf8_lossy(bytes)) } else { plain_patterns(bytes) }
});

/// The last line is a path, the others are the file.
fn any_text(text: &str) {
    let (file, path) = text.rsplit_once('\n').unwrap_or((text, "a/b"));
    let Ok(patterns) = Patterns::parse(file) else { return };
    patterns.matches(path);
    patterns.must_enter(path);
    let (matched, below) = patterns.matches_below(path, &Matched::default());
    assert_eq!(matched, patterns.matches(path));
    patterns.matches_below(&format!("{path}/x"), &below);
    let again = Patterns::new(patterns.texts()).expect("cleaned patterns are patterns");
    assert!(again.texts().eq(patterns.texts()) && again.matches(path) == matched);
}

/// Each byte is a piece of a pattern or, behind the last newline, of the path.
fn plain_patterns(bytes: &[u8]) {
    const PIECES: [&str; 16] =
        ["a", "b", "ab", "*", "?", "[ab]", "[^b]", ".", "/", "/**/", "**", "!", "\n", "\n", "c", "/"];
    let text: String = bytes.iter().map(|byte| PIECES[usize::from(byte % 16)]).collect();
    let (file, path) = text.rsplit_once('\n').unwrap_or((&text, "a/b"));
    let path: String = path.chars().filter(|char| !"*?[]^!".contains(*char)).collect();
    let path = clean(path.trim_start_matches('/'));
    let patterns: Vec<String> = file.split('\n').filter(|line| is_plain(line)).map(clean).collect();
    let Ok(fast) = Patterns::new(&patterns) else { return };
    assert_eq!(fast.matches(&path), reference::excluded(&patterns, &path), "{patterns:?} {path:?}");
}

/// What the slow reading was written for.
fn is_plain(line: &str) -> bool {
    let body = line.strip_prefix('!').unwrap_or(line);
    let stars = body.split('/').all(|part| part == "**" || !part.contains("**"));
    stars && !body.is_empty() && !body.contains('!') && !body.starts_with(['/', '.']) && !body.contains("..")
}
