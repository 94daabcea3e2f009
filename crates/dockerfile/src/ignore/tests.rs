use proptest::prelude::*;

use super::{Error, Matched, Patterns, clean, parents, reference};

fn patterns(text: &str) -> Patterns {
    Patterns::parse(text).expect("patterns are well formed")
}

#[test]
fn files_are_read_line_by_line() {
    let cases: &[(&str, &[&str])] = &[
        ("", &[]),
        ("\u{feff}a\n", &["a"]),
        ("# no\n #yes\n", &["#yes"]),
        ("a/\n/b\n./c/../d\n", &["a", "b", "d"]),
        ("  spaced \t\r\n\r\n", &["spaced"]),
        ("! /x/ \n", &["!x"]),
        ("/\n.\n", &["/", "."]),
        ("**/\n", &["**"]),
    ];
    for (text, expected) in cases {
        assert_eq!(patterns(text).texts().collect::<Vec<_>>(), *expected, "{text:?}");
    }
}

#[test]
fn bad_patterns_are_refused() {
    let syntax = |pattern: &str| Err(Error::Syntax { pattern: pattern.to_owned() });
    let outcome = |text: &str| Patterns::parse(text).map(|patterns| patterns.texts().collect::<Vec<_>>());
    for pattern in ["[", "[]a]", "[a", "[^", "[a-]", "[-a]", "a\\", "[\\", "[b-a]", "\\q", "[x*--y]"] {
        assert_eq!(outcome(pattern), syntax(pattern), "{pattern}");
    }
    assert_eq!(outcome("!"), Err(Error::EmptyException));
    assert_eq!(outcome("! \n"), Err(Error::EmptyException));
    assert_eq!(outcome(&format!("a\n{}", "b".repeat(70_000))), Err(Error::LineTooLong { line: 2 }));
}

#[test]
fn patterns_match_as_moby_has_them() {
    let yes = [
        ("*.go", "a.go"),
        ("**", "x/y"),
        ("a/**", "a/b/c"),
        ("**/a", "a"),
        ("**/a", "x/a"),
        ("a/**/b", "a/b"),
        ("a/**/b", "a/x/y/b"),
        ("**/*.md", "r.md"),
        ("**/*.md", "x/y/r.md"),
        ("a?c", "abc"),
        ("[a-c]x", "bx"),
        ("[^a]x", "bx"),
        ("dir", "dir/file"),
        ("d*", "dir/file/deep"),
        ("**a", "ba"),
        ("a**", "ab/c"),
        ("\\*", "*"),
        ("\\d", "7"),
        ("a.b", "a.b"),
        ("[[:alpha:]]", "q"),
        ("[*]", "/]"),
        ("[a&&b]", "&"),
        ("a^b", "a^b"),
        ("**/**", "x"),
        ("+(x)|{y}$", "+(x)|{y}$"),
        ("?", "é"),
        ("a/b", "a/b/c"),
        ("b\\.c", "b.c"),
    ];
    let no = [
        ("*.go", "x/a.go"),
        ("a/**", "a"),
        ("a/**", "ab"),
        ("**/a", "xa"),
        ("a?c", "a/c"),
        ("[^a]x", "ax"),
        ("a.b", "axb"),
        ("\\*", "x"),
        ("/", "x"),
        (".", "x"),
        ("a/*", "b/a"),
        ("[*]", "*"),
        ("a/b", "a"),
        ("??", "é"),
    ];
    for (pattern, path) in yes {
        assert!(patterns(pattern).matches(path), "{pattern} matches {path}");
    }
    for (pattern, path) in no {
        assert!(!patterns(pattern).matches(path), "{pattern} does not match {path}");
    }
}

#[test]
fn exceptions_bring_back() {
    let list = patterns("*\n!src\nsrc/*.log\n!src/keep.log\n");
    for (path, expected) in
        [("a", true), ("src", false), ("src/x.rs", false), ("src/x.log", true), ("src/keep.log", false)]
    {
        assert_eq!(list.matches(path), expected, "{path}");
    }
    assert!(list.has_exceptions());
}

#[test]
fn a_later_pattern_over_a_matched_directory_is_forgotten_by_the_walk() {
    let list = patterns("*\n!a/b\na\n");
    let (_, above) = list.matches_below("a", &Matched::default());
    assert!(!list.matches_below("a/b", &above).0);
    assert!(list.matches("a/b"));
}

#[test]
fn excluded_directories_are_entered_only_where_an_exception_may_be() {
    let cases = [
        ("a\n", "a", false),
        ("a\n!a/b/c\n", "a", true),
        ("a\n!a/b/c\n", "a/b", true),
        ("a\n!a/b/c\n", "a/x", false),
        ("a\n!b\n", "a", false),
        ("a\n!a/b/**\n", "a/b", true),
        ("a\n!**/x\n", "a/deep", true),
        ("a\n!a*\n", "z", true),
    ];
    for (text, dir, expected) in cases {
        assert_eq!(patterns(text).must_enter(dir), expected, "{text:?} {dir}");
    }
}

#[test]
fn paths_are_cleaned_as_go_does() {
    let cases = [
        ("", "."),
        ("/", "/"),
        ("a//b/", "a/b"),
        ("./a/./b", "a/b"),
        ("a/..", "."),
        ("../a/..", ".."),
        ("/../a", "/a"),
        ("a/../../b", "../b"),
        ("!/x", "!/x"),
        ("/.", "/"),
    ];
    for (path, expected) in cases {
        assert_eq!(clean(path), expected, "{path}");
    }
}

fn plain_pattern() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec!["a", "b", "ab", "*", "?", "[ab]", "[^b]", "a*", "*b", "."]);
    let part = prop_oneof![4 => prop::collection::vec(piece, 1..3).prop_map(|parts| parts.concat()), 1 => Just("**".to_owned())];
    (any::<bool>(), prop::collection::vec(part, 1..4))
        .prop_map(|(exception, parts)| format!("{}{}", if exception { "!" } else { "" }, parts.join("/")))
        .prop_filter("adjacent stars read differently", |text| !text.contains("***"))
        .prop_map(|text| clean(&text))
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "ab", "ba", "c", "aab"]), 1..5)
        .prop_map(|parts| parts.join("/"))
}

proptest! {
    #[test]
    fn agrees_with_the_slow_reading(list in prop::collection::vec(plain_pattern(), 0..5), path in path()) {
        let fast = Patterns::new(&list).expect("plain patterns are well formed");
        prop_assert_eq!(fast.matches(&path), reference::excluded(&list, &path));
    }

    #[test]
    fn a_walk_agrees_unless_something_was_brought_back(list in prop::collection::vec(plain_pattern(), 0..5), path in path()) {
        let fast = Patterns::new(&list).expect("plain patterns are well formed");
        let mut above = Matched::default();
        for parent in parents(&path) {
            above = fast.matches_below(parent, &above).1;
        }
        let (walked, _) = fast.matches_below(&path, &above);
        prop_assert!(walked == fast.matches(&path) || fast.has_exceptions());
    }

    #[test]
    fn pruned_directories_hold_nothing_kept(list in prop::collection::vec(plain_pattern(), 0..5), path in path()) {
        let fast = Patterns::new(&list).expect("plain patterns are well formed");
        let mut above = Matched::default();
        for parent in parents(&path) {
            let (excluded, here) = fast.matches_below(parent, &above);
            if excluded && !fast.must_enter(parent) {
                prop_assert!(fast.matches(&path));
            }
            above = here;
        }
    }

    #[test]
    fn no_input_panics(text in "[\\PC\\\\*?!/\\[\\]^-]{0,40}", path in "\\PC{0,20}") {
        if let Ok(list) = Patterns::parse(&text) {
            list.matches(&path);
            list.must_enter(&path);
        }
    }
}
