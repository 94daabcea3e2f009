use super::*;
use crate::{CommandLine, Heredoc, parse_onbuild};

fn heredocs(line: &str) -> Vec<Heredoc> {
    match kind(line) {
        Kind::Run(run) => run.heredocs,
        Kind::Copy(transfer) | Kind::Add(transfer) => transfer.heredocs,
        Kind::Onbuild(trigger) => trigger.heredocs,
        other => panic!("no heredocs in {other:?}"),
    }
}

#[test]
fn what_begins_a_heredoc() {
    for (line, name, expand, chomp) in [
        ("RUN <<EOF\nEOF", "EOF", true, false),
        ("RUN <<-EOF\n\t\tEOF", "EOF", true, true),
        ("RUN << EOF\nEOF", "EOF", true, false),
        ("RUN <<'EOF'\nEOF", "EOF", false, false),
        ("RUN <<\"EOF\"\nEOF", "EOF", false, false),
        ("RUN <<E'O'F\nEOF", "EOF", false, false),
        ("RUN <<'E F'\nE F", "E F", false, false),
        ("RUN 3<<EOF\nEOF", "EOF", true, false),
        ("RUN cat <<EOF > /x\nEOF", "EOF", true, false),
        ("run <<EOF\nEOF", "EOF", true, false),
        ("RUN --mount=target=/x <<EOF\nEOF", "EOF", true, false),
        ("COPY <<EOF /x\nEOF", "EOF", true, false),
        ("ADD <<-'EOF' /x\n\tEOF", "EOF", false, true),
        ("COPY <<$X /x\n$X", "$X", true, false),
        ("RUN <<EOF\r\nEOF\r", "EOF", true, false),
    ] {
        let found = heredocs(line);
        assert_eq!(found.len(), 1, "{line:?}");
        let heredoc = &found[0];
        assert_eq!((heredoc.name.as_str(), heredoc.expand, heredoc.chomp), (name, expand, chomp), "{line:?}");
    }
}

#[test]
fn what_begins_none() {
    for line in [
        "RUN x <<<EOF",
        "RUN x << ",
        "RUN x <<- EOF",
        "RUN x \"<<EOF\"",
        "RUN x '<<EOF'",
        "RUN x \\<<EOF",
        "RUN x y<<EOF",
        "RUN x <<EOF 'open",
        "RUN x <<''",
        "RUN [\"x\", \"<<EOF\"]",
    ] {
        assert!(heredocs(line).is_empty(), "{line:?}");
    }
    assert!(matches!(kind("ENV a=<<EOF"), Kind::Env(_)));
    assert!(matches!(kind("LABEL a=<<EOF"), Kind::Label(_)));
    assert!(matches!(kind("CMD cat <<EOF"), Kind::Cmd(_)));
}

#[test]
fn contents_keep_their_lines() {
    let found = heredocs("RUN <<-EOF\n\ta\r\n\n# no comment\n\t \tb\\\n\tEOF");
    assert_eq!(found[0].content, "\ta\r\n\n# no comment\n\t \tb\\\n");
    assert_eq!(found[0].data(), "a\r\n\n# no comment\n \tb\\\n");
    assert_eq!(heredocs("RUN <<EOF\n\tEOF\nEOF")[0].data(), "\tEOF\n");
}

#[test]
fn several_in_one_instruction() {
    let found = heredocs("COPY <<a <<b /x/\n1\na\n2\nb");
    assert_eq!(
        found.iter().map(|heredoc| (heredoc.name.as_str(), heredoc.content.as_str())).collect::<Vec<_>>(),
        [("a", "1\n"), ("b", "2\n")]
    );
    let found = heredocs("COPY <<a <<a /x/\n1\na\n2\na");
    assert_eq!(found.iter().map(|heredoc| heredoc.content.as_str()).collect::<Vec<_>>(), ["2\n", "2\n"]);
    let Kind::Copy(transfer) = kind("COPY x <<a y /z\n1\na") else { panic!("no COPY") };
    assert_eq!(raws(&transfer.sources), ["x", "y"]);
}

#[test]
fn a_name_apart_from_its_sign_is_a_path_to_copy() {
    let Kind::Copy(transfer) = kind("COPY << EOF /x\nlost\nEOF") else { panic!("no COPY") };
    assert_eq!(raws(&transfer.sources), ["<<", "EOF"]);
    assert!(transfer.heredocs.is_empty());
}

#[test]
fn in_json_form_the_file_is_empty() {
    let found = heredocs("COPY [\"<<EOF\", \"/x\"]");
    assert_eq!((found[0].name.as_str(), found[0].content.as_str()), ("EOF", ""));
}

#[test]
fn the_command_keeps_the_line() {
    let Kind::Run(run) = kind("RUN cat <<A - <<B\n1\nA\n2\nB") else { panic!("no RUN") };
    assert_eq!(raws(run.command.words()), ["cat <<A - <<B"]);
    assert!(matches!(run.command, CommandLine::Shell(_)));
}

#[test]
fn spans_cover_bodies() {
    let file = file("FROM a\nRUN <<A\none\nA\nRUN x\n");
    let run = &file.stages[0].instructions[0];
    assert_eq!(file.source.slice(run.span), "RUN <<A\none\nA");
    assert_eq!(file.source.slice(run.line), "RUN <<A");
    let Kind::Run(body) = &run.kind else { panic!("no RUN") };
    assert_eq!(file.source.slice(body.heredocs[0].span), "one\n");
}

#[test]
fn triggers_store_their_heredocs() {
    let Kind::Onbuild(trigger) = kind("ONBUILD RUN <<-'A'\n\tone\n\tA") else { panic!("no ONBUILD") };
    assert_eq!(trigger.expression, "RUN <<-'A'\n\tone\nA");
    let run = parse_onbuild(Source::new("trigger", trigger.expression)).expect("a trigger");
    assert!(run.onbuild);
    let Kind::Run(run) = run.kind else { panic!("no RUN") };
    assert_eq!(run.heredocs[0].data(), "one\n");
}
