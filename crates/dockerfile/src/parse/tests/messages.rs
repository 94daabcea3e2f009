use super::*;
use crate::limits::{MAX_FILE, MAX_LINE};

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(refusal(text), expected.trim_matches('\n'));
}

#[test]
fn an_unknown_instruction() {
    check(
        "FROM alpine\n\n  nonsense a\n",
        r#"
unknown instruction "nonsense"
Dockerfile:3:3
3 |   nonsense a
  |   ^^^^^^^^
hint: the instructions are ADD, ARG, CMD, COPY, ENTRYPOINT, ENV, EXPOSE, FROM, HEALTHCHECK, LABEL, MAINTAINER, ONBUILD, RUN, SHELL, STOPSIGNAL, USER, VOLUME, WORKDIR"#,
    );
    check(
        "FROM alpine\nCOPPY a b\n",
        r#"
unknown instruction "COPPY"
Dockerfile:2:1
2 | COPPY a b
  | ^^^^^
hint: did you mean COPY?"#,
    );
}

#[test]
fn an_unknown_flag() {
    check(
        "FROM alpine\nCOPY \\\n\t--chwon=a b c\n",
        "
COPY has no flag --chwon
Dockerfile:3:2
3 | \t--chwon=a b c
  | \t^^^^^^^^^
hint: did you mean --chown?",
    );
    check(
        "FROM alpine\nENV --nothing a=b\n",
        "
ENV has no flag --nothing
Dockerfile:2:5
2 | ENV --nothing a=b
  |     ^^^^^^^^^
hint: ENV takes no flags",
    );
}

#[test]
fn a_file_without_stages() {
    check(
        "",
        "the file is empty\nDockerfile:1:1\n1 | \n  | ^\nhint: begin a stage with FROM, for example: FROM scratch",
    );
    check(
        "# only a note\n",
        "
the file has no instructions
Dockerfile:2:1
2 | \n  | ^
hint: begin a stage with FROM, for example: FROM scratch",
    );
    check(
        "ARG A\n",
        "
the file has no FROM, so there is no stage to build
Dockerfile:2:1
2 | \n  | ^
hint: begin a stage with FROM, for example: FROM scratch",
    );
    check(
        "RUN x\nFROM a\n",
        "
RUN stands before the first FROM
Dockerfile:1:1
1 | RUN x
  | ^^^
hint: only ARG may stand before the first FROM",
    );
}

#[test]
fn directives() {
    check(
        "# escape=x\nFROM a\n",
        r#"
"x" is no escape character
Dockerfile:1:10
1 | # escape=x
  |          ^
hint: use # escape=\ or # escape=`"#,
    );
    check(
        "# escape= \nFROM a\n",
        r#"
" " is no escape character
Dockerfile:1:10
1 | # escape= 
  |          ^
hint: use # escape=\ or # escape=`"#,
    );
    check(
        "# check=skip=a\n# Check=skip=b\nFROM a\n",
        "
the directive check is given twice
Dockerfile:2:1
2 | # Check=skip=b
  | ^^^^^^^^^^^^^^
hint: keep one of them",
    );
    check(
        "# syntax=example/own:1\nFROM a\n",
        r#"
the frontend "example/own:1" is not one this tool stands for
Dockerfile:1:10
1 | # syntax=example/own:1
  |          ^^^^^^^^^^^^^
hint: frontends are never fetched; build with --builder to use a BuildKit that runs it, or remove the line"#,
    );
}

#[test]
fn an_open_heredoc() {
    check(
        "FROM a\nRUN <<EOF\necho\n EOF\n",
        r#"
the heredoc "EOF" does not end
Dockerfile:2:1
2 | RUN <<EOF
  | ^^^^^^^^^
hint: end it with a line that holds nothing but its name"#,
    );
}

#[test]
fn a_place_behind_characters_of_several_bytes() {
    check(
        "FROM a\nENV é=1 ünd\n",
        r#"
"ünd" has no equals sign
Dockerfile:2:9
2 | ENV é=1 ünd
  |         ^^^
hint: write name=value, with quotes around a value that has spaces"#,
    );
}

#[test]
fn sizes_are_bounded() {
    let line = |length: usize| format!("FROM a\nRUN {}", "x".repeat(length - 4));
    assert_eq!(file(&line(MAX_LINE)).stages[0].instructions.len(), 1);
    assert!(refusal(&line(MAX_LINE + 1)).starts_with("the line is longer than 65535 bytes\nDockerfile:2:1"));
    let long = "x\n".repeat(MAX_FILE / 2 + 1);
    assert!(refusal(&long).starts_with("the file is larger than 16777216 bytes"));
}
