//! The corpus is complete: every case loads, materializes and expects something.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use shipsmith_testkit::canonical::read_images;
use shipsmith_testkit::corpus::{Case, Corpus, Expectation, ExpectedError, root};

type Outcome = Result<(), Box<dyn Error>>;

#[test]
fn every_case_loads_and_expects_something() -> Outcome {
    let cases = Corpus::open(&root())?.cases()?;
    assert!(cases.len() >= 250, "only {} cases", cases.len());
    for case in cases {
        match &case.expectation {
            Expectation::Images(images) => assert_eq!(images.len(), case.platforms().len(), "{}", case.name),
            Expectation::Error(error) => assert!(!error.message.is_empty(), "{}", case.name),
        }
    }
    Ok(())
}

#[test]
fn every_case_materializes() -> Outcome {
    let corpus = Corpus::open(&root())?;
    for case in corpus.cases()? {
        let dir = tempfile::tempdir()?;
        let ready = corpus.materialize(&case, dir.path())?;
        assert_eq!(std::fs::read(&ready.dockerfile)?, case.dockerfile, "{}", case.name);
        assert!(ready.context_dir.is_dir(), "{}", case.name);
    }
    Ok(())
}

#[test]
fn every_base_is_a_valid_layout_with_the_same_bytes_each_time() -> Outcome {
    for (name, base) in Corpus::open(&root())?.bases() {
        let (one, two) = (tempfile::tempdir()?, tempfile::tempdir()?);
        base.write_layout(one.path())?;
        base.write_layout(two.path())?;
        // Its layers fit on each other only for who unpacks each by itself.
        if name != "granted" {
            assert_eq!(read_images(one.path())?.len(), base.image.len(), "{name}");
        }
        let index = |dir: &tempfile::TempDir| std::fs::read(dir.path().join("index.json"));
        assert_eq!(index(&one)?, index(&two)?, "{name}");
    }
    Ok(())
}

#[test]
fn contexts_have_the_modes_links_and_archives_that_are_listed() -> Outcome {
    let dir = tempfile::tempdir()?;
    std::fs::create_dir_all(dir.path().join("area/case"))?;
    let case = dir.path().join("area/case");
    std::fs::write(case.join("Dockerfile"), "FROM scratch\n")?;
    let toml = r#"
        context = [
          { path = "a/b", mode = 0o4711, content = "x" },
          { path = "a/c", type = "hardlink", link = "a/b" },
          { path = "l", type = "symlink", link = "../x" },
          { path = "t", type = "tar-zstd", entries = [{ path = "in", content = "x" }] },
        ]"#;
    std::fs::write(case.join("case.toml"), toml)?;
    let ready = Corpus::open(&root())?.materialize(&Case::load_request(&case)?, &dir.path().join("out"))?;
    let context = ready.context_dir;
    assert_eq!(std::fs::metadata(context.join("a/c"))?.permissions().mode() & 0o7777, 0o4711);
    assert_eq!(std::fs::read_link(context.join("l"))?.to_str(), Some("../x"));
    let archive = zstd::decode_all(std::fs::File::open(context.join("t"))?)?;
    let mut archive = tar::Archive::new(archive.as_slice());
    let names = archive.entries()?.map(|entry| Ok(entry?.path()?.into_owned()));
    let names = names.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    assert_eq!(names, [std::path::Path::new("in")]);
    Ok(())
}

#[test]
fn an_error_names_its_line_or_none() {
    let parsed = ExpectedError::parse("Dockerfile:3\nno such file\n");
    assert_eq!(parsed, Some(ExpectedError { line: Some(3), message: "no such file".to_owned() }));
    let parsed = ExpectedError::parse("Dockerfile\nno such file\nhere\n");
    assert_eq!(parsed, Some(ExpectedError { line: None, message: "no such file\nhere".to_owned() }));
    assert_eq!(ExpectedError::parse("elsewhere\nx"), None);
}

#[test]
fn the_linter_findings_belong_to_cases() -> Outcome {
    let corpus = Corpus::open(&root())?;
    let cases: BTreeMap<String, Case> = corpus.cases()?.into_iter().map(|case| (case.name.clone(), case)).collect();
    for (name, findings) in corpus.lint_findings()? {
        let case = cases.get(&name).ok_or(format!("{name} is no case"))?;
        let lines = case.dockerfile.split(|byte| *byte == b'\n').count();
        for finding in findings {
            assert!(finding.line as usize <= lines, "{name}: {finding:?}");
        }
    }
    Ok(())
}

#[test]
fn the_server_answers_what_it_knows_and_404_else() -> Outcome {
    let dir = tempfile::tempdir()?;
    let case = dir.path().join("area/case");
    std::fs::create_dir_all(&case)?;
    std::fs::write(case.join("Dockerfile"), "FROM scratch\n")?;
    std::fs::write(case.join("case.toml"), r#"http = [{ url = "/a", body = { path = "a", content = "text" } }]"#)?;
    let ready = Corpus::open(&root())?.materialize(&Case::load_request(&case)?, &dir.path().join("out"))?;
    let address = ready.build_args.get("SERVER").ok_or("no server")?;
    assert!(get(address, "GET", "/a")?.ends_with("\r\n\r\ntext"));
    assert!(get(address, "HEAD", "/a")?.ends_with("Content-Length: 4\r\n\r\n"));
    assert!(get(address, "GET", "/b")?.starts_with("HTTP/1.1 404 "));
    assert_eq!(ready.anonymous(&format!("ADD {address}/a /")), "ADD http://server/a /");
    Ok(())
}

#[test]
fn a_repository_has_the_same_commits_everywhere_and_can_be_fetched() -> Outcome {
    let corpus = Corpus::open(&root())?;
    let case = Case::load(&root().join("cases/add-git/default-branch"))?;
    let dir = tempfile::tempdir()?;
    let ready = corpus.materialize(&case, dir.path())?;
    let address = ready.build_args.get("SERVER").ok_or("no server")?;
    let clone = dir.path().join("clone");
    let git = |arguments: &[&str]| Command::new("git").args(arguments).arg(&clone).output();
    let cloned = git(&["clone", "--quiet", &format!("{address}/repo.git")])?;
    assert!(cloned.status.success(), "{}", String::from_utf8_lossy(&cloned.stderr));
    let head = std::fs::read_to_string(clone.join(".git/refs/heads/main"))?;
    assert_eq!(head.trim(), "d1a3a663f1e8b6c3d1fc4a0c60c91516ba76e076");
    assert_eq!(std::fs::read_to_string(clone.join("README.md"))?, "three\n");
    Ok(())
}

fn get(address: &str, method: &str, path: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(address.trim_start_matches("http://"))?;
    write!(connection, "{method} {path} HTTP/1.1\r\nHost: server\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

/// `AREA/CASE` and `AREA/CASE*`, `FILE.rs: FUNCTION`, `refusals.txt: SECTION`: whether it stands for something.
fn is_shown(cases: &[Case], repository: &Path, name: &str) -> bool {
    let has = |file: &str, part: String| {
        std::fs::read_to_string(repository.join(file)).is_ok_and(|text| text.contains(&part))
    };
    match name.split_once(": ") {
        Some(("refusals.txt", section)) => has("crates/graph/tests/refusals.txt", format!("==== {section}")),
        Some((file, function)) => has(file, format!("fn {function}(")),
        None => match name.strip_suffix('*') {
            Some(begin) => cases.iter().any(|case| case.name.starts_with(begin)),
            None => cases.iter().any(|case| case.name == name),
        },
    }
}

#[test]
fn what_the_documentation_says_is_shown_is_there() -> Outcome {
    let repository = root().parent().ok_or("it is in the repository")?.to_owned();
    let text = std::fs::read_to_string(repository.join("docs/dockerfile.md"))?;
    let cases = Corpus::open(&root())?.cases()?;
    let tables = text.lines().filter(|line| line.starts_with('|')).filter_map(|line| line.rsplit(" | ").next());
    let names: Vec<&str> = tables.flat_map(|shown| shown.split('`').skip(1).step_by(2)).collect();
    assert!(names.len() > 200, "only {} names", names.len());
    let wrong: Vec<&&str> = names.iter().filter(|name| !is_shown(&cases, &repository, name)).collect();
    assert!(wrong.is_empty(), "docs/dockerfile.md names what is not there: {wrong:?}");
    Ok(())
}
