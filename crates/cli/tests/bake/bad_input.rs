//! What is refused before anything is built.

use crate::project;
use crate::support::environment;

const TWO: &str = "target \"one\" {\n context = \"app\"\n tags = [\"same\"]\n}\n\
    target \"two\" {\n context = \"app\"\n tags = [\"same:latest\"]\n}\n";

#[test]
fn two_targets_cannot_have_one_tag() {
    let said = project(TWO).fails(2, ["bake", "one", "two"]);
    assert!(said.contains("one and two are both called same"), "{said}");
}

#[test]
fn what_is_not_there_is_told_with_what_was_meant() {
    let project = project("target \"frontend\" {\n context = \"app\"\n}\n");
    let said = project.fails(2, ["bake", "frontent"]);
    assert!(said.contains("frontent") && said.contains("frontend"), "{said}");
    let said = project.fails(2, ["bake", "--set", "frontend.contxt=x", "frontend"]);
    assert!(said.contains("contxt"), "{said}");
    let said = environment().fails(2, ["bake"]);
    assert!(said.contains("docker-bake.hcl"), "{said}");
}

#[test]
fn mistakes_in_a_file_are_shown_in_their_line() {
    let said = project("target \"default\" {\n  contxt = \"app\"\n}\n").fails(2, ["bake"]);
    assert!(said.contains("docker-bake.hcl:2") && said.contains("^^^^^^") && said.contains("context"), "{said}");
}

#[test]
fn what_would_have_to_be_fetched_is_refused_as_such() {
    let project = project("target \"default\" {\n context = \"-\"\n}\n");
    for name in ["https://example.org/docker-bake.hcl", "git@example.org:repo.git", "github.com/a/b"] {
        let said = project.fails(2, ["bake", "-f", name]);
        assert!(said.contains("from elsewhere is not supported") && said.contains("hint: check it out"), "{said}");
    }
    assert!(project.fails(2, ["bake", "-f", "missing.hcl"]).contains("hint: paths begin at"));
    assert!(project.fails(2, ["bake"]).contains("hint: name a directory or a file"));
}

#[test]
fn circles_are_refused() {
    let circle =
        "target \"a\" {\n contexts = { b = \"target:b\" }\n}\ntarget \"b\" {\n contexts = { a = \"target:a\" }\n}\n";
    let said = project(circle).fails(2, ["bake", "a"]);
    assert!(said.contains('a') && said.contains('b'), "{said}");
}

#[test]
fn privileges_are_granted_on_the_command_line() {
    let project = project("target \"default\" {\n context = \"app\"\n entitlements = [\"network.host\"]\n}\n");
    let said = project.fails(2, ["bake"]);
    assert!(said.contains("network.host") && said.contains("--allow"), "{said}");
    project.ok(["bake", "--allow", "network.host"]);
}

#[test]
fn flags_of_plans_are_for_plans_and_those_of_bake_files_for_these() {
    let project = project("target \"default\" {\n context = \"app\"\n}\n");
    assert!(project.fails(2, ["bake", "--hub=h"]).contains("--hub here is not supported"));
    project.write("plan.yaml", "images: []\n");
    assert!(project.fails(2, ["bake", "-f", "plan.yaml", "--set=a.b=c"]).contains("--set here is not supported"));
}
