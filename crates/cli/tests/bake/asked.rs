//! What is said instead of building.

use serde_json::json;

use crate::project;
use crate::support::json;

const BAKE: &str = "variable \"TAG\" { default = \"1\" }\n\
    target \"default\" {\n description = \"The app\"\n context = \"app\"\n tags = [\"app:${TAG}\"]\n}\n";

#[test]
fn what_would_be_built_is_printed_as_buildx_prints_it() {
    let project = project(BAKE);
    let printed = project.ok(["bake", "--print", "--set", "*.platform=linux/arm64", "--push"]);
    let expected = json!({
        "group": { "default": { "targets": ["default"] } },
        "target": { "default": {
            "description": "The app",
            "context": "app",
            "dockerfile": "Dockerfile",
            "tags": ["app:1"],
            "platforms": ["linux/arm64"],
            "output": [{ "type": "image", "push": "true" }],
        } },
    });
    assert_eq!(json(printed), expected);
    assert!(!project.store().exists(), "nothing was built");
}

#[test]
fn targets_and_variables_are_listed() {
    let project = project(BAKE);
    assert!(project.ok(["bake", "--list=targets"]).contains("The app"));
    let listed = json(project.ok(["bake", "--list=type=variables,format=json"]));
    assert_eq!(listed[0]["name"], "TAG");
}

#[test]
fn files_are_those_named_then_the_environments_then_those_that_are_here() {
    let project = project(BAKE).with("BUILDX_BAKE_FILE", "env.json");
    project.write("env.json", r#"{"target": {"default": {"tags": ["env"]}}}"#);
    project.write("named.json", r#"{"target": {"default": {"tags": ["named"]}}}"#);
    let tags = |arguments: &[&str]| {
        let printed = project.ok(["bake", "--print"].iter().chain(arguments));
        json(printed)["target"]["default"]["tags"].clone()
    };
    assert_eq!(tags(&[]), json!(["env"]));
    assert_eq!(tags(&["-f", "named.json"]), json!(["named"]));
    assert_eq!(tags(&["-f", "named.json", "-f", "docker-bake.hcl"]), json!(["app:1"]));
    let fed = project.feed(br#"{"target": {"default": {"tags": ["fed"]}}}"#, ["bake", "--print", "-f", "-"]);
    assert_eq!(json(&fed.stdout)["target"]["default"]["tags"], json!(["fed"]));
}

#[test]
fn dockerfiles_are_checked_and_described() {
    let project = project(BAKE);
    project.write("app/Dockerfile", "from scratch as first\nARG NAME=none\nCOPY a /a\n");
    let checked = project.run(["bake", "--check"]);
    assert_eq!(checked.code, Some(1), "{}", checked.stderr);
    assert!(checked.stdout.starts_with("default\nThe app\n\n"), "{}", checked.stdout);
    assert!(checked.stdout.contains("ConsistentInstructionCasing") || checked.stdout.contains("FromAsCasing"));
    let outlined = json(project.ok(["bake", "--call=outline,format=json"]));
    assert_eq!(outlined["target"]["default"]["build"]["context"], "app");
    assert_eq!(outlined["target"]["default"]["outline"]["args"][0]["name"], "NAME");
}
