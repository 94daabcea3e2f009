use proptest::prelude::*;
use serde_json::Value;

use super::meaning::forget_places;
use super::*;

/// What a file says without the places it says it at.
fn meaning(file: &Dockerfile) -> Value {
    let mut value = serde_json::to_value(file).expect("plain values");
    forget_places(&mut value);
    value
}

/// Prints a file and reads it again; it must say the same and print the same.
/// Not asked of a trigger that ends in a carriage return, which only a continuation at the end of the file can write.
#[track_caller]
fn stable(text: &str) -> Option<String> {
    let first = parse(Source::new("Dockerfile", text)).ok()?;
    let printed = first.to_string();
    if printed.contains("\r\n") {
        return None;
    }
    let second = file(&printed);
    assert_eq!(meaning(&first), meaning(&second), "{text:?} printed as {printed:?}");
    assert_eq!(second.to_string(), printed, "{text:?}");
    Some(printed)
}

#[test]
fn printing_joins_lines_and_keeps_the_rest() {
    let text = "# syntax=docker/dockerfile:1\n# escape=`\n\n# V a version\narg V=1\nfrom a `\n  as b\n# note\nRUN <<A cat\n1\nA\n\
                COPY [\"x\", \"y\"]\nFrom b\nENV a  b";
    let expected = "# syntax=docker/dockerfile:1\n# escape=`\n#\n# V a version\nARG V=1\n\nFROM a   as b\n#\n# note\n\
                    RUN <<A cat\n1\nA\nCOPY [\"x\", \"y\"]\n\nFROM b\nENV a  b\n";
    assert_eq!(stable(text).as_deref(), Some(expected));
}

#[test]
fn what_is_hard_to_print() {
    for text in [
        "FROM a\nRUN x \\\u{a0}",
        "FROM a\nRUN x\\ \\",
        "FROM a\nRUN x \\\\",
        "#\n# escape=`\nFROM a\nRUN x \\\n y",
        "  # # note\nFROM a",
        "FROM a\nRUN <<A\n1\n\tA\nA",
        "FROM a\nRUN <<A <<-B\n1\nA\n\tB",
        "FROM a\nONBUILD COPY <<A /b\n1\nA",
    ] {
        assert!(stable(text).is_some(), "{text:?}");
    }
}

#[test]
fn long_lines_are_broken() {
    let text = format!("FROM a\nRUN x{}", " \\\n\\x #y".repeat(20_000));
    let printed = stable(&text).expect("a file");
    assert!(printed.lines().all(|line| line.len() <= crate::limits::MAX_LINE));
}

#[test]
fn the_shape_of_json_is_stable() {
    let value = serde_json::to_value(file("FROM a AS b\nENV x=$y\n")).expect("plain values");
    assert_eq!(value["source"], "Dockerfile");
    assert_eq!(value["directives"]["escape"], "\\");
    assert_eq!(value["stages"][0]["name"]["value"], "b");
    let env = &value["stages"][0]["instructions"][0];
    assert_eq!(env["keyword"], "ENV");
    assert_eq!(env["kind"]["env"][0]["value"]["raw"], "$y");
    assert_eq!(env["kind"]["env"][0]["value"]["span"]["start"], 18);
}

/// Lines that are often instructions.
fn line() -> impl Strategy<Value = String> {
    let keyword = prop::sample::select(vec![
        "RUN",
        "copy",
        "ADD",
        "ENV",
        "ARG",
        "LABEL",
        "CMD",
        "EXPOSE",
        "VOLUME",
        "USER",
        "HEALTHCHECK CMD",
        "ONBUILD RUN",
        "ONBUILD ONBUILD",
        "FROM",
        "#",
        "SHELL",
        "",
    ]);
    (
        keyword,
        r#"([ a-c=$\\'"`#<,\[\]{}-]|<<[AB]|--mount=|--from=|\t|\r|\PC){0,16}"#,
        prop::sample::select(vec!["", "\\", "`"]),
    )
        .prop_map(|(keyword, rest, end)| format!("{keyword} {rest}{end}\n"))
}

proptest! {
    #[test]
    fn parsing_never_panics(text in r"(FROM a\n)?\PC*", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(Source::new("Dockerfile", text));
        let _ = parse(Source::from_bytes("Dockerfile", &bytes));
    }

    #[test]
    fn printing_is_stable(first in "(# escape=`\n|# note\n|#\n)?", lines in prop::collection::vec(line(), 0..6)) {
        let text = format!("{first}FROM a\n{}A\nB\n", lines.concat());
        stable(&text);
        stable(&format!("{first}FROM a\n{}", lines.concat()));
    }

    #[test]
    fn places_of_refusals_are_in_the_file(lines in prop::collection::vec(line(), 0..6)) {
        if let Err(error) = parse(Source::new("Dockerfile", lines.concat())) {
            let span = error.span();
            prop_assert!(span.start <= span.end && span.end <= error.source_text().text.len());
            prop_assert!(!error.excerpt().to_string().is_empty());
            prop_assert!(error.source_text().text.is_char_boundary(span.start));
            prop_assert!(error.source_text().text.is_char_boundary(span.end));
        }
    }
}

#[test]
fn returns_before_a_directives_end_are_no_part_of_it() {
    let printed = stable("# check=skip=all\r\r more\nFROM a\n").expect("a file");
    assert_eq!(printed, "# check=skip=all\n\nFROM a\n");
}
