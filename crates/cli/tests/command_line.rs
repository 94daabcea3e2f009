//! The program as a script sees it: exit codes, what goes to which stream, files that are made.

mod common;

use common::{here, shipsmith, stderr, stdout};

#[test]
fn the_version_is_the_packages() {
    let output = shipsmith(here().path(), &["--version"]);
    assert_eq!(stdout(&output), concat!("shipsmith ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn usage_errors_end_with_2_and_a_hint() {
    let directory = here();
    let unknown = shipsmith(directory.path(), &["build", "--platfrom=linux/amd64", "."]);
    assert_eq!(unknown.status.code(), Some(2));
    let refused = shipsmith(directory.path(), &["build", "--sbom=true", "."]);
    assert_eq!(refused.status.code(), Some(2));
    let expected = "error: --sbom is not supported: attestations are made by BuildKit builders, and none is given\nhint: give \
         --builder, or leave it out: none is the default here\n";
    assert_eq!((stderr(&refused).as_str(), stdout(&refused).as_str()), (expected, ""));
}

#[test]
fn a_check_with_findings_ends_with_1() {
    let directory = here();
    std::fs::write(directory.path().join("Dockerfile"), "FROM scratch\nMAINTAINER me\n").expect("a file");
    let check = shipsmith(directory.path(), &["build", "--check", "."]);
    assert_eq!(check.status.code(), Some(1), "{}", stderr(&check));
    assert!(stdout(&check).contains("MaintainerDeprecated"), "{}", stdout(&check));
    let ignored = shipsmith(directory.path(), &["build", "--call=check,ignorestatus=true", "."]);
    assert_eq!(ignored.status.code(), Some(0));
}

#[test]
fn an_error_in_the_dockerfile_shows_its_line() {
    let directory = here();
    std::fs::write(directory.path().join("Dockerfile"), "FROM scratch\nCPOY a b\n").expect("a file");
    let output = shipsmith(directory.path(), &["build", "--check", "."]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("Dockerfile:2\n  2 | CPOY a b\n"), "{text}");
    assert!(text.contains("hint: ") && text.contains("COPY"), "{text}");
}

#[test]
fn a_dockerfile_that_is_not_there_is_a_failed_build() {
    let output = shipsmith(here().path(), &["build", "--check", "."]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("error: no Dockerfile: ./Dockerfile does not exist\n"), "{}", stderr(&output));
}

#[test]
fn targets_are_listed_as_text_and_as_json() {
    let directory = here();
    let text = "# build makes it\nFROM scratch AS build\nFROM build AS final\n";
    std::fs::write(directory.path().join("Dockerfile"), text).expect("a file");
    let targets = shipsmith(directory.path(), &["build", "--call=targets", "."]);
    assert_eq!(stdout(&targets).lines().count(), 3, "{}", stdout(&targets));
    assert!(stdout(&targets).contains("final (default)"), "{}", stdout(&targets));
    let json = shipsmith(directory.path(), &["build", "--call=targets,format=json", "."]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(value["targets"][1]["default"], true);
}

#[test]
fn a_dockerfile_is_parsed_from_standard_input_or_a_file() {
    let directory = here();
    std::fs::write(directory.path().join("Dockerfile"), "FROM scratch\nCOPY a b\n").expect("a file");
    let output = shipsmith(directory.path(), &["dockerfile", "parse"]);
    let tree: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(tree["stages"][0]["instructions"][0]["span"]["start"], 13, "{tree:#}");
}

#[test]
fn an_empty_store_lists_nothing_and_has_no_image() {
    let directory = here();
    let images = shipsmith(directory.path(), &["images"]);
    assert_eq!(stdout(&images), "NAME   DIGEST   PLATFORMS   SIZE\n", "{}", stderr(&images));
    assert_eq!(stdout(&shipsmith(directory.path(), &["images", "--json"])), "");
    for arguments in [&["inspect", "a"][..], &["push", "a"], &["export", "-o", "type=oci,dest=f", "a"], &["rm", "a"]] {
        let output = shipsmith(directory.path(), arguments);
        assert_ne!(output.status.code(), Some(0), "{arguments:?}");
        assert!(stderr(&output).starts_with("error: "), "{arguments:?}: {}", stderr(&output));
        assert!(!directory.path().join("f").exists());
    }
    assert_eq!(shipsmith(directory.path(), &["prune", "--all"]).status.code(), Some(0));
}

#[test]
fn completions_and_manual_pages_are_made() {
    let directory = here();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = shipsmith(directory.path(), &["completions", shell]);
        assert!(stdout(&output).contains("normalize-modes"), "{shell}");
    }
    let output = shipsmith(directory.path(), &["man", "pages/man1"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for page in ["shipsmith.1", "shipsmith-build.1", "shipsmith-index-create.1"] {
        let text = std::fs::read_to_string(directory.path().join("pages/man1").join(page)).expect(page);
        assert!(text.contains(".TH"), "{page}");
    }
}
