use proptest::prelude::*;

use super::*;

fn env() -> Vec<(String, String)> {
    [("A", "alpha"), ("E", ""), ("P", "/usr/local/bin/tool.tar.gz"), ("B", "two words"), ("N", "x\ny"), ("D", "$0")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

fn word(raw: &str) -> Word {
    Word::new(raw, Span::new(100, 100 + raw.len()))
}

fn expand(raw: &str) -> String {
    match Expander::new('\\').expand(&word(raw), &env()) {
        Ok(expanded) => expanded.value,
        Err(problem) => format!("error at {}..{}: {problem}", problem.span.start - 100, problem.span.end - 100),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (raw, expected) in cases {
        assert_eq!(expand(raw), *expected, "expanding {raw:?}");
    }
}

#[test]
fn plain_references() {
    check(&[
        ("", ""),
        ("plain", "plain"),
        ("$A", "alpha"),
        ("${A}", "alpha"),
        ("x${A}y", "xalphay"),
        ("$A$E$A", "alphaalpha"),
        ("$missing", ""),
        ("$A.b", "alpha.b"),
        ("$Ab", ""),
        ("$", "$"),
        ("a$", "a$"),
        ("$ A", "$ A"),
        ("$.", "$."),
        ("$1A", "A"),
        ("$12", ""),
        ("$$A", "A"),
        ("$@x", "x"),
        ("\u{feff}x", "x"),
    ]);
}

#[test]
fn quotes_and_escapes() {
    check(&[
        ("'$A'", "$A"),
        ("\"$A\"", "alpha"),
        ("'\"'", "\""),
        ("\"'\"", "'"),
        (r"\$A", "$A"),
        (r#""\$A""#, "$A"),
        (r#""\n""#, r"\n"),
        (r#""\"""#, "\""),
        (r#""\\""#, r"\"),
        (r"'\'x", r"\x"),
        (r"\\", r"\"),
        (r"a\", "a"),
        (r"\n", "n"),
        ("a'b c'd", "ab cd"),
        ("'open", "error at 0..5: the single quote is not closed"),
        ("x\"open", "error at 1..6: the double quote is not closed"),
    ]);
}

#[test]
fn defaults_and_refusals() {
    check(&[
        ("${A:-x}", "alpha"),
        ("${E:-x}", "x"),
        ("${E-x}", ""),
        ("${M-x}", "x"),
        ("${M:-x y}", "x y"),
        ("${M:-${A}}", "alpha"),
        ("${M:-${M:-deep}}", "deep"),
        ("${M:-'}'}", "}"),
        (r"${M:-\}}", "}"),
        ("${M:-\"a b\"}", "a b"),
        ("${A:+x}", "x"),
        ("${E:+x}", ""),
        ("${E+x}", "x"),
        ("${M+x}", ""),
        ("${A:?x}", "alpha"),
        ("${E?x}", ""),
        ("${E:?is gone}", "error at 0..13: E: is gone"),
        ("${M:?}", "error at 0..6: M: must be set"),
        ("a${E:?}", "error at 1..7: E: must not be empty"),
        ("${--x}", "x"),
        ("${+x}", ""),
    ]);
}

#[test]
fn broken_substitutions() {
    check(&[
        ("${", "error at 0..2: the substitution is not closed"),
        ("${A", "error at 0..3: the substitution is not closed"),
        ("${A:", "error at 0..4: the substitution is not closed"),
        ("${A:-b", "error at 6..6: the substitution is not closed"),
        ("${}", "error at 0..2: the substitution has no name"),
        ("${:x}", "error at 0..2: the substitution has no name"),
        ("${{A}}", "error at 0..2: the substitution has no name"),
        ("${A^}", "error at 3..4: unknown modifier \"^\" in the substitution"),
        ("${A:x}", "error at 0..6: unknown modifier \":x\" in the substitution"),
        ("${A:#a}", "error at 0..5: unknown modifier \":#\" in the substitution"),
        ("${A/x}", "error at 6..6: the pattern of the substitution is not closed"),
    ]);
}

#[test]
fn trims() {
    check(&[
        ("${P#*/}", "usr/local/bin/tool.tar.gz"),
        ("${P##*/}", "tool.tar.gz"),
        ("${P%.*}", "/usr/local/bin/tool.tar"),
        ("${P%%.*}", "/usr/local/bin/tool"),
        ("${P%/*}", "/usr/local/bin"),
        ("${P%%/*}", ""),
        ("${P#nothing}", "/usr/local/bin/tool.tar.gz"),
        ("${P#?}", "usr/local/bin/tool.tar.gz"),
        ("${A##?l*}", ""),
        ("${A%a}", "alph"),
        (r"${A%x\\}", "alpha"),
        ("${A%\\a}", "error at 0..7: bad pattern \"\\\\a\": 'a' must not be escaped"),
        ("${A#\\a}", "error at 0..7: bad pattern \"\\\\a\": 'a' must not be escaped"),
        ("${A#$M}", "alpha"),
        ("${A#${A%pha}}", "pha"),
        ("${N#*y}", "x\ny"),
    ]);
}

#[test]
fn replacements() {
    check(&[
        ("${A/a/o}", "olpha"),
        ("${A//a/o}", "olpho"),
        ("${A/l*/-}", "a-"),
        ("${A//?/-}", "-----"),
        ("${A//a/}", "lph"),
        ("${P//\\//-}", "-usr-local-bin-tool.tar.gz"),
        ("${P/./\\}}", "/usr/local/bin/tool\\}tar.gz"),
        ("${A//a/$D$D}", "aalphaa"),
        ("${A/a/$D}", "$0lpha"),
        ("${A///-}", "-a-l-p-h-a-"),
        ("${A//a/${E:-x}}", "xlphx"),
        ("${M/x/y}", ""),
        ("${M/*/y}", "y"),
    ]);
}

#[test]
fn the_other_escape_character() {
    let expander = Expander::new('`');
    let value = |raw: &str| expander.expand(&word(raw), &env()).map(|expanded| expanded.value);
    assert_eq!(value(r"C:\$A"), Ok(r"C:\alpha".to_owned()));
    assert_eq!(value(r"C:\`$A"), Ok(r"C:\$A".to_owned()));
    assert_eq!(value("\"`\"\""), Ok("\"".to_owned()));
}

#[test]
fn kept_pieces() {
    let label = |raw: &str| Expander::new('\\').keep_quotes().keep_unset().label(raw, &env());
    assert_eq!(label("RUN echo \"$A\" '$A' $M"), "RUN echo \"alpha\" '$A' $M");
    assert_eq!(label("${M:-x} ${M} ${M//a/b}"), "${M:-x} ${M} ${M/a/b}");
    assert_eq!(label("broken '"), "broken '");
    let raw = Expander::new('\\').keep_escapes();
    assert_eq!(raw.expand(&word(r"\$A"), &NoVariables).map(|expanded| expanded.value), Ok(r"\$A".to_owned()));
}

#[test]
fn words_split_outside_quotes() {
    let words = |raw: &str| Expander::new('\\').words(&word(raw), &env()).unwrap_or_default();
    assert_eq!(words("a  b"), ["a", "b"]);
    assert_eq!(words("$B"), ["two", "words"]);
    assert_eq!(words("\"$B\""), ["two words"]);
    assert_eq!(words(r"a\ b c"), ["a b", "c"]);
    assert_eq!(words("''"), Vec::<String>::new());
    assert_eq!(words("80${M:-90}"), ["90"]);
    assert_eq!(words("<< EOF x"), ["<< EOF", "x"]);
}

#[test]
fn used_and_unset_variables_are_told() {
    let expanded = Expander::new('\\').expand(&word("$A ${M:-$Z} \"$A\" ${B+$Y}"), &env()).unwrap_or_default();
    assert_eq!(expanded.used, ["A", "B"]);
    assert_eq!(expanded.unset, ["M", "Y", "Z"]);
}

#[test]
fn the_last_value_wins() {
    let entries = vec!["A=1".to_owned(), "B".to_owned(), "A=2".to_owned()];
    let value = Expander::new('\\').expand(&word("$A${B-unset}"), &entries).map(|expanded| expanded.value);
    assert_eq!(value, Ok("2".to_owned()));
}

#[test]
fn heredocs_ignore_quotes() {
    let doc = |content: &str, expand| Heredoc {
        name: "EOF".into(),
        content: content.into(),
        expand,
        chomp: false,
        span: Span::new(10, 10 + content.len()),
    };
    let value = |content, expand| heredoc(&doc(content, expand), &env()).map(|expanded| expanded.value);
    assert_eq!(value("it's $A\n", true), Ok("it's alpha\n".to_owned()));
    assert_eq!(value("it's $A\n", false), Ok("it's $A\n".to_owned()));
    assert_eq!(value("\\$A\n", true), Ok("$A\n".to_owned()));
    let all = "$A ${A} \"$A\" '$A' \\$A \\n ${M:-x}\n";
    assert_eq!(value(all, true), Ok("alpha alpha \"alpha\" 'alpha' $A n x\n".to_owned()));
    assert_eq!(value("a\n${A\n", true).map_err(|problem| problem.span), Err(Span::new(15, 16)));
}

#[test]
fn growth_and_depth_are_bounded() {
    let large = vec![("A".to_owned(), "x".repeat(1 << 20))];
    let result = Expander::new('\\').expand(&word(&"$A".repeat(17)), &large);
    let message = result.err().map(|problem| problem.to_string());
    assert_eq!(message.as_deref(), Some("the expanded text is longer than 16777216 bytes"));
    let blown = vec![("A".to_owned(), "x".repeat(1 << 16)), ("R".to_owned(), "y".repeat(1 << 16))];
    assert!(Expander::new('\\').expand(&word("${A//x/$R}"), &blown).is_err());
    assert!(expand(&"${M:-".repeat(100_000)).ends_with("nested too deeply"));
}

proptest! {
    #[test]
    fn expansion_never_panics(raw in r"([${}:+?#%/*'\\<` a-cM-]|\PC){0,40}", value in r"\PC{0,12}", escape in r"[\\`]") {
        let env = vec![("a".to_owned(), value.clone()), ("b".to_owned(), value)];
        let expander = Expander::new(escape.chars().next().unwrap_or('\\'));
        for expander in [expander, expander.keep_unset(), expander.keep_quotes().keep_escapes()] {
            let _ = expander.expand(&word(&raw), &env);
            let _ = expander.words(&word(&raw), &env);
        }
    }

    #[test]
    fn text_without_special_characters_stays(raw in r"[a-zA-Z0-9 ./_=-]{0,40}") {
        prop_assert_eq!(expand(&raw), raw);
    }
}
