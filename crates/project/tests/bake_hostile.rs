//! Bake files that nobody would write with good intentions: an error each, never a panic, an overflow or an endless wait.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::time::SystemTime;

use proptest::prelude::*;
use shipsmith_project::Input;
use shipsmith_project::bake::{Bake, Error, ListFormat, Options, is_bake, list_targets, resolve};

fn read(name: &str, text: &str) -> Result<Bake, Error> {
    let options = Options {
        inputs: vec![Input { name: name.to_owned(), text: text.to_owned() }],
        targets: vec!["*".to_owned()],
        sets: Vec::new(),
        vars: Vec::new(),
        environment: &|name| (name == "SET").then(|| "environment".to_owned()),
        read: &|_| None,
        local_platform: "linux/amd64".to_owned(),
        command_context: None,
        now: SystemTime::UNIX_EPOCH,
    };
    let _ = list_targets(&options, ListFormat::Json);
    let _ = is_bake(&options.inputs[0]);
    resolve(&options)
}

fn value(expression: &str) -> Result<Bake, Error> {
    read("f.hcl", &format!("target \"a\" {{\n  args = {{ A = {expression} }}\n}}\n"))
}

#[test]
fn deep_nesting_is_an_error() {
    let deep = 20_000;
    for (open, inner, close) in [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{ a = ", "1", " }"),
        ("!", "true", ""),
        ("-", "1", ""),
        ("true ? 1 : ", "2", ""),
        ("upper(", "\"a\"", ")"),
        ("\"${", "\"a\"", "}\""),
        ("[for x in ", "[]", ": x]"),
        ("\"%{ if true }", "x", "%{ endif }\""),
        ("a[", "0", "]"),
    ] {
        let text = format!("{}{inner}{}", open.repeat(deep), close.repeat(deep));
        assert!(value(&text).is_err(), "{open}");
    }
    let template = format!("\"{}x{}\"", "%{ if true }".repeat(deep), "%{ endif }".repeat(deep));
    assert!(value(&template).is_err());
    assert!(value(&format!("1{}", " + 1".repeat(deep))).is_err());
    assert!(read("f.json", &"[".repeat(deep)).is_err());
    assert!(read("f.json", &"{\"target\":".repeat(deep)).is_err());
    assert!(read("f.hcl", &"a {\n".repeat(deep)).is_err());
    assert!(read("f.yml", &"[".repeat(deep)).is_err());
}

#[test]
fn nesting_that_people_write_is_fine() {
    let nested =
        |open: &str, inner: &str, close: &str| value(&format!("{}{inner}{}", open.repeat(30), close.repeat(30)));
    assert!(nested("(", "1", ")").is_ok());
    assert!(nested("upper(", "\"a\"", ")").is_ok());
    assert!(nested("true ? ", "1", " : 2").is_ok());
    assert!(nested("\"${", "\"a\"", "}\"").is_ok());
    assert!(value(&format!("1{}", " + 1".repeat(100))).is_ok());
}

#[test]
fn long_chains_are_an_error() {
    let chain = |line: &dyn Fn(usize) -> String| (0..3_000).map(line).collect::<String>();
    let variables = chain(&|at| format!("v{at} = v{}\n", at + 1));
    assert!(read("f.hcl", &format!("{variables}v3000 = 1\ntarget \"a\" {{\n  args = {{ A = v0 }}\n}}\n")).is_err());
    let functions = chain(&|at| format!("function \"f{at}\" {{\n  params = [x]\n  result = f{}(x)\n}}\n", at + 1));
    assert!(read("f.hcl", &format!("{functions}a = f0(1)\n")).is_err());
    let parents = chain(&|at| format!("target \"t{at}\" {{\n  inherits = [\"t{}\"]\n}}\n", at + 1));
    assert!(read("f.hcl", &format!("{parents}target \"t3000\" {{}}\n")).is_err());
    let groups = chain(&|at| format!("group \"g{at}\" {{\n  targets = [\"g{}\"]\n}}\n", at + 1));
    assert!(read("f.hcl", &format!("{groups}target \"g3000\" {{}}\n")).is_err());
}

#[test]
fn doubling_ends() {
    let doubled = |line: &dyn Fn(usize) -> String, first: &str| {
        let lines: String = (0..60).map(line).collect();
        read("f.hcl", &format!("{first}{lines}target \"a\" {{\n  args = {{ A = \"${{jsonencode(v60)}}\" }}\n}}\n"))
    };
    let text = doubled(&|at| format!("v{} = \"${{v{at}}}${{v{at}}}\"\n", at + 1), "v0 = \"x\"\n");
    assert!(text.unwrap_err().message().contains("16 MiB"));
    let list = doubled(&|at| format!("v{} = concat(v{at}, v{at})\n", at + 1), "v0 = [\"x\"]\n");
    assert!(list.unwrap_err().hint().is_some());
    let nested = doubled(&|at| format!("v{} = [v{at}, v{at}]\n", at + 1), "v0 = [\"x\"]\n");
    assert!(nested.is_err());
    let number = doubled(&|at| format!("v{} = v{at} * v{at}\n", at + 1), "v0 = 10\n");
    assert!(number.unwrap_err().message().contains("too large"));
    let inherited: String =
        (0..60).map(|at| format!("target \"t{at}\" {{\n  inherits = [\"t{0}\", \"t{0}\"]\n}}\n", at + 1)).collect();
    assert!(read("f.hcl", &format!("{inherited}target \"t60\" {{}}\n")).is_ok(), "a parent is looked at once");
}

#[test]
fn functions_that_make_much_of_little_are_an_error() {
    for expression in [
        "range(1000000000)",
        "format(\"%1000000000d\", 1)",
        "format(\"%.1000000000f\", 1)",
        "indent(1000000000, \"\\n\")",
        "setproduct(range(1000), range(1000), range(1000))",
        "1e1000000",
        "pow(10, 1000000)",
        "regex(\"(a{1000}){1000}\", \"a\")",
        "[for a in range(1000): [for b in range(1000): [for c in range(1000): c]]]",
        "replace(join(\"\", [for x in range(1000): \"aaaaaaaaaa\"]), \"a\", join(\"\", [for x in range(1000): \"aaaaaaaaaa\"]))",
    ] {
        assert!(value(expression).is_err(), "{expression}");
    }
    let axis = |name: char| format!("{name} = range(100)\n");
    let axes: String = "abcde".chars().map(axis).collect();
    assert!(read("f.hcl", &format!("target \"a\" {{\n  matrix = {{\n{axes}  }}\n}}\n")).is_err());
    assert!(read("f.yml", &format!("services:\n  a:\n    image: {}x\n", "${A:-".repeat(10_000))).is_err());
}

#[test]
fn a_limit_is_not_caught_by_try() {
    assert!(value("try(range(1000000000), 1)").is_err());
    assert!(value("can(range(1000000000))").is_err());
}

/// Parts that bake files are made of, in any order.
fn soup() -> impl Strategy<Value = String> {
    let parts = [
        "target",
        "group",
        "variable",
        "function",
        "\"a\"",
        "\"default\"",
        " {\n",
        "\n}\n",
        " = ",
        "[",
        "]",
        "(",
        ")",
        ",",
        "{",
        "}",
        "\n",
        " ",
        "args",
        "tags",
        "matrix",
        "name",
        "default",
        "type",
        "params",
        "result",
        "inherits",
        "targets",
        "if ",
        "for x in ",
        " : ",
        "? ",
        "=> ",
        "...",
        "${",
        "%{",
        "~}",
        "%{ endif }",
        "%{ endfor }",
        "%{ else }",
        "\"",
        "\\u00",
        "<<EOT\n",
        "<<-EOT\n",
        "EOT\n",
        "upper",
        "range",
        "format",
        "try",
        "can",
        "convert",
        "list(string)",
        "1",
        "2.5e3",
        "-",
        "!",
        "+",
        "*",
        "/",
        "%",
        "&&",
        "||",
        "==",
        "<",
        ".",
        "[*]",
        ".*",
        ".0",
        "x",
        "A",
        "target.a.args",
        "null",
        "true",
        "#",
        "/*",
        "*/",
        "é",
        "😀",
        "validation",
        "condition",
        "error_message",
        "contexts",
        "target:a",
        "::",
        "\\",
    ];
    proptest::collection::vec(proptest::sample::select(parts.to_vec()), 0..60).prop_map(|parts| parts.concat())
}

/// Parts that compose files are made of.
fn compose_soup() -> impl Strategy<Value = String> {
    let parts = [
        "services:",
        "\n",
        "  ",
        "    ",
        "      ",
        "a:",
        "build:",
        "image:",
        " x",
        "args:",
        "- ",
        "A=1",
        "A: 1",
        "${A",
        ":-",
        "}",
        "$",
        "$$",
        "context: .",
        "secrets:",
        "extends: a",
        "x-bake:",
        "tags: a b",
        "null",
        "[",
        "]",
        "{",
        "&a",
        "*a",
        "<<: ",
        "ulimits:",
        "nofile: 1",
        "shm_size: 64m",
        "'",
        "\"",
        "#",
        "|\n",
        "environment:",
        "env_file: f",
        "profiles: [a]",
        "!reset",
    ];
    proptest::collection::vec(proptest::sample::select(parts.to_vec()), 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*", name in "(f.hcl|f.json|f.yml|f)") {
        let _ = read(&name, &text);
    }

    #[test]
    fn any_soup_is_read_or_refused(text in soup()) {
        let _ = read("f.hcl", &text);
        let _ = value(&text);
        let json = serde_json::to_string(&text).unwrap();
        let _ = read("f.json", &format!("{{\"target\": {{\"a\": {{\"args\": {{{json}: {json}}}}}}}}}"));
    }

    #[test]
    fn any_compose_soup_is_read_or_refused(text in compose_soup()) {
        let _ = read("f.yml", &text);
        let _ = read("f.yml", &format!("services:\n  a:\n    build:\n{text}"));
    }

    #[test]
    fn what_is_printed_is_read_again(value in "\\PC*") {
        let quoted = serde_json::to_string(&value).unwrap().replace("${", "$${").replace("%{", "%%{");
        let json = |quoted: &str| format!("{{\"target\": {{\"default\": {{\"args\": {{\"A\": {quoted}}}}}}}}}");
        let once = read("f.json", &json(&quoted)).unwrap();
        prop_assert_eq!(&once.targets["default"].args["A"], &value);
        let again = read("f.json", &once.to_json()).unwrap();
        prop_assert_eq!(again.targets, once.targets);
    }
}
