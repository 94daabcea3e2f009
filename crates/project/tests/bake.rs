//! The corpus in `bake/cases`: one behaviour each, with what buildx makes of it.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use shipsmith_project::Input;
use shipsmith_project::bake::{
    Bake, DEFAULT_FILES, Error, ListFormat, Options, is_bake, list_targets, list_variables, resolve,
};

/// What a case asks for, from its `command.txt`: a line for every argument, `$ NAME=VALUE` for the environment.
#[derive(Default)]
struct Command {
    environment: Vec<(String, String)>,
    files: Vec<String>,
    targets: Vec<String>,
    sets: Vec<String>,
    vars: Vec<String>,
    list: Option<(bool, ListFormat)>,
}

impl Command {
    fn read(case: &Path) -> Self {
        let text = fs::read_to_string(case.join("command.txt")).unwrap_or_default();
        let mut command = Self::default();
        let mut lines = text.lines().map(str::to_owned);
        while let Some(line) = lines.next() {
            match line.as_str() {
                "-f" => command.files.extend(lines.next()),
                "--set" => command.sets.extend(lines.next()),
                "--var" => command.vars.extend(lines.next()),
                "--push" => command.sets.push("*.push=true".to_owned()),
                "--load" => command.sets.push("*.load=true".to_owned()),
                "--list=targets" => command.list = Some((true, ListFormat::Table)),
                "--list=variables" => command.list = Some((false, ListFormat::Table)),
                "--list=type=targets,format=json" => command.list = Some((true, ListFormat::Json)),
                "--list=type=variables,format=json" => command.list = Some((false, ListFormat::Json)),
                _ => match line.strip_prefix("$ ").and_then(|pair| pair.split_once('=')) {
                    Some((name, value)) => command.environment.push((name.to_owned(), value.to_owned())),
                    None => command.targets.push(line),
                },
            }
        }
        command
    }

    fn run(self, case: &Path) -> Result<String, Error> {
        let read = |name: &str| fs::read_to_string(case.join(name)).ok();
        let default = || DEFAULT_FILES.iter().map(|name| (*name).to_owned()).filter(|name| case.join(name).exists());
        let files = if self.files.is_empty() { default().collect() } else { self.files };
        let input = |name: String| Input { text: read(&name).unwrap(), name };
        let environment =
            |name: &str| self.environment.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
        let options = Options {
            inputs: files.into_iter().map(input).collect(),
            targets: self.targets,
            sets: self.sets,
            vars: self.vars,
            environment: &environment,
            read: &read,
            local_platform: "linux/amd64".to_owned(),
            command_context: None,
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        };
        match self.list {
            Some((true, format)) => list_targets(&options, format),
            Some((false, format)) => list_variables(&options, format),
            None => resolve(&options).as_ref().map(Bake::to_json).map_err(Clone::clone),
        }
    }
}

/// As people see it: the message, the place with its line, the hint.
fn shown(error: &Error) -> String {
    let mut text = format!("error: {}\n", error.message());
    if let Some(place) = error.place() {
        let mark = format!("{}{}", " ".repeat(place.column - 1), "^".repeat(place.width));
        text += &format!("{}:{}:{}\n {}\n {mark}\n", place.file, place.line, place.column, place.text);
    }
    text + &error.hint().map_or(String::new(), |hint| format!("hint: {hint}\n"))
}

/// What is expected, by what there is.
fn expected(case: &Path) -> String {
    let names = ["expected.json", "expected.txt", "expected-error.txt"];
    let found: Vec<PathBuf> = names.iter().map(|name| case.join(name)).filter(|path| path.exists()).collect();
    assert_eq!(found.len(), 1, "{} expects one thing", case.display());
    fs::read_to_string(&found[0]).unwrap()
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bake/cases");
    let mut cases: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

#[test]
fn every_case_gives_what_buildx_gives() {
    let cases = cases();
    assert!(cases.len() > 250, "the corpus is there");
    let mut wrong = Vec::new();
    for case in cases {
        let result = Command::read(&case).run(&case);
        let text = result.unwrap_or_else(|error| shown(&error));
        let expected = expected(&case);
        if text != expected {
            wrong.push(format!("{}\nexpected:\n{expected}\nfound:\n{text}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{} cases differ\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_refusal_says_where_or_what_to_do() {
    for case in cases().into_iter().filter(|case| case.join("expected-error.txt").exists()) {
        let error = Command::read(&case).run(&case).unwrap_err();
        assert!(error.place().is_some() || error.hint().is_some(), "{}: {error}", case.display());
    }
}

fn of(text: &str, time: SystemTime) -> Bake {
    let options = Options {
        inputs: vec![Input { name: "docker-bake.hcl".to_owned(), text: text.to_owned() }],
        targets: Vec::new(),
        sets: Vec::new(),
        vars: Vec::new(),
        environment: &|_| None,
        read: &|_| None,
        local_platform: "linux/amd64".to_owned(),
        command_context: None,
        now: time,
    };
    resolve(&options).unwrap()
}

#[test]
fn the_clock_is_that_of_the_options() {
    let bake = of("target \"default\" {\n  args = { T = timestamp() }\n}\n", SystemTime::UNIX_EPOCH);
    assert_eq!(bake.targets["default"].args["T"], "1970-01-01T00:00:00Z");
}

#[test]
fn a_target_that_is_only_a_context_is_not_wanted() {
    let text = "target \"base\" {}\ntarget \"default\" {\n  contexts = { base = \"target:base\" }\n}\n";
    let bake = of(text, SystemTime::UNIX_EPOCH);
    assert_eq!(bake.wanted(), ["default"]);
    assert_eq!(bake.targets.keys().collect::<Vec<_>>(), ["base", "default"]);
}

#[test]
fn a_plan_is_told_from_bake_and_compose_files() {
    let is_bake = |name: &str, text: &str| is_bake(&Input { name: name.to_owned(), text: text.to_owned() });
    assert!(!is_bake("tools/docker.yaml", "images:\n- name: app\n  targets: [app]\n"));
    assert!(!is_bake("plan", "images: []\n"));
    assert!(is_bake("compose.yaml", "services:\n  a: {build: .}\n"));
    assert!(is_bake("docker-bake.hcl", "images = []\n"));
    assert!(is_bake("-", "target \"default\" {}\n"));
}
