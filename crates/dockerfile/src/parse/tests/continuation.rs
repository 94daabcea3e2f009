use super::*;
use crate::{Keyword, Position};

fn texts(text: &str) -> Vec<String> {
    let file = file(text);
    let stages = file.stages.iter().flat_map(|stage| [&stage.from].into_iter().chain(&stage.instructions));
    file.global_args.iter().chain(stages).map(|instruction| instruction.text.clone()).collect()
}

#[test]
fn lines_are_joined() {
    for (text, joined) in [
        ("FROM a\nRUN x \\\n y", "RUN x  y"),
        ("FROM a\nRUN x \\  \n y", "RUN x  y"),
        ("FROM a\r\nRUN x \\\r\n y\r\n", "RUN x  y"),
        ("FROM a\nRUN x \\\n# note\n  # note\n y", "RUN x  y"),
        ("FROM a\nRUN x \\\n\n  \n y", "RUN x  y"),
        ("FROM a\nRUN x \\\\\n", "RUN x \\\\"),
        ("FROM a\nRUN x\\", "RUN x"),
        ("FROM a\n\\\nRUN x", "RUN x"),
        ("FROM a\n  RUN x  ", "RUN x"),
        ("FROM a\nR\\\nUN x", "RUN x"),
        ("FROM a\nRUN a#b", "RUN a#b"),
        ("# escape=`\nFROM a\nRUN x `\n y\\", "RUN x  y\\"),
    ] {
        assert_eq!(texts(text).last().map(String::as_str), Some(joined), "for {text:?}");
    }
}

#[test]
fn a_continued_instruction_takes_the_next_line() {
    assert_eq!(texts("FROM a\nRUN x \\\n\nRUN y"), ["FROM a", "RUN x RUN y"]);
}

#[test]
fn empty_continuation_lines_are_remembered() {
    let file = file("FROM a\nRUN x \\\n\n y\n");
    let instruction = &file.stages[0].instructions[0];
    assert_eq!(instruction.empty_continuations.len(), 1);
    let place = file.source.line_column(instruction.empty_continuations[0].start);
    assert_eq!(place, Position { line: 3, column: 1 });
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    assert_eq!(texts("\u{feff}FROM a"), ["FROM a"]);
    assert_eq!(file("\u{feff}# escape=`\nFROM a").directives.escape, '`');
}

#[test]
fn bytes_that_are_no_text_are_replaced_one_by_one() {
    let source = Source::from_bytes("Dockerfile", b"# caf\xe9\xe8\nFROM a");
    assert_eq!(source.text, "# caf\u{fffd}\u{fffd}\nFROM a");
}

#[test]
fn spans_point_into_the_file() {
    let file = file("# note\nFROM  base AS one\nCOPY --chown=a\\\nb x \\\n  yy /z\n");
    let slice = |span| file.source.slice(span).to_owned();
    let stage = &file.stages[0];
    assert_eq!(slice(stage.base.span), "base");
    assert_eq!(stage.name.as_ref().map(|name| slice(name.span)), Some("one".into()));
    let copy = &stage.instructions[0];
    assert_eq!(slice(copy.keyword_span), "COPY");
    assert_eq!(slice(copy.span), "COPY --chown=a\\\nb x \\\n  yy /z");
    assert_eq!(slice(copy.flags[0].span), "--chown=a\\\nb");
    let Kind::Copy(transfer) = &copy.kind else { panic!("no COPY") };
    assert_eq!(transfer.chown.as_ref().map(|word| slice(word.span)), Some("a\\\nb".into()));
    assert_eq!(transfer.sources.iter().map(|word| slice(word.span)).collect::<Vec<_>>(), ["x", "yy"]);
    assert_eq!(slice(transfer.destination.span), "/z");
}

#[test]
fn comments_belong_to_the_next_instruction() {
    let file = file("# lost\n#\n# kept\n\n# too\nFROM a\n# other\nRUN x\nRUN y\n");
    assert_eq!(file.stages[0].from.comments, ["kept", "too"]);
    assert_eq!(file.stages[0].instructions[0].comments, ["other"]);
    assert!(file.stages[0].instructions[1].comments.is_empty());
}

#[test]
fn comments_describe_stages_and_arguments() {
    let file = file("# V the version\n# W other\nARG V=1 W X\n# base where it starts\nFROM a AS base\n");
    let Kind::Arg(declarations) = &file.global_args[0].kind else { panic!("no ARG") };
    let described: Vec<_> = declarations.iter().map(|declaration| declaration.description.as_deref()).collect();
    assert_eq!(described, [Some("the version"), Some("other"), None]);
    assert_eq!(file.stages[0].description.as_deref(), Some("where it starts"));
}

#[test]
fn directives_end_at_the_first_line_that_is_none() {
    let escape = |text: &str| file(text).directives.escape;
    assert_eq!(escape("# escape=`\nFROM a"), '`');
    assert_eq!(escape("#ESCAPE = `  \nFROM a"), '`');
    assert_eq!(escape("# syntax=docker/dockerfile:1\n# escape=`\nFROM a"), '`');
    assert_eq!(escape("# note\n# escape=`\nFROM a"), '\\');
    assert_eq!(escape("\n# escape=`\nFROM a"), '\\');
    assert_eq!(escape("# unknown=1\n# escape=`\nFROM a"), '\\');
    assert_eq!(escape("FROM a\n# escape=`\n"), '\\');
}

#[test]
fn syntax_and_check_are_found_where_buildkit_finds_them() {
    let syntax = |text: &str| file(text).directives.syntax.map(|syntax| syntax.value);
    let check = |text: &str| file(text).directives.check.map(|check| check.value);
    assert_eq!(syntax("# syntax=docker/dockerfile:1 x\nFROM a").as_deref(), Some("docker/dockerfile:1"));
    assert_eq!(syntax("#!/usr/bin/x\n# syntax=docker/dockerfile:1\nFROM a").as_deref(), Some("docker/dockerfile:1"));
    assert_eq!(syntax("  # syntax=unseen\nFROM a"), None);
    assert_eq!(syntax("FROM a"), None);
    assert_eq!(check("# check=skip=all;error=true\nFROM a").as_deref(), Some("skip=all;error=true"));
}

#[test]
fn only_docker_frontends_are_stood_for() {
    for (reference, accepted) in [
        ("docker/dockerfile", true),
        ("docker/dockerfile:1", true),
        ("docker/dockerfile:1.7-labs", true),
        ("docker/dockerfile-upstream:master", true),
        ("docker.io/docker/dockerfile:1@sha256:abc", true),
        ("registry:5000/mirror/docker/dockerfile", true),
        ("dockerfile", false),
        ("example/dockerfile:1", false),
        ("docker/dockerfile-copy:v0.1.9", false),
        ("notdocker/dockerfile", false),
    ] {
        let text = format!("# syntax={reference}\nFROM a");
        assert_eq!(parse(Source::new("Dockerfile", text)).is_ok(), accepted, "for {reference}");
    }
    for text in ["// syntax=example/own\nFROM a", r#"{"syntax": "example/own"}"#] {
        assert!(refusal(text).starts_with("the frontend \"example/own\" is not one this tool stands for"), "{text}");
    }
}

#[test]
fn keywords_are_read_in_any_case() {
    let file = file("from a\nrUn x");
    assert_eq!(file.stages[0].instructions[0].keyword, Keyword::Run);
    assert_eq!(file.stages[0].instructions[0].text, "rUn x");
}
