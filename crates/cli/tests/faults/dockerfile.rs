//! A Dockerfile or a context that is wrong: the whole message, with the place it is about.

use crate::support::{app, assert_nothing_left, assert_said, here};

#[test]
fn no_dockerfile() {
    let environment = here();
    environment.write("app/a", "");
    let message = "error: no Dockerfile: app/Dockerfile does not exist\n\
                   hint: name it with -f, or give the directory that holds it as the context\n";
    assert_said(&environment, &["build", "app"], 1, message);
    let message = message.replace("app/Dockerfile", "app/other");
    assert_said(&environment, &["build", "-f", "app/other", "app"], 1, &message);
}

#[test]
fn no_context() {
    let message = "error: cannot open directory nowhere: No such file or directory (os error 2)\n";
    assert_said(&here(), &["build", "nowhere"], 1, message);
}

#[test]
fn an_empty_dockerfile() {
    let message = "error: the file is empty\nDockerfile:1\n  1 | \n    | ^\n\
                   hint: begin a stage with FROM, for example: FROM scratch\n";
    assert_said(&app(""), &["build", "app"], 1, message);
    let message = "error: the file has no instructions\nDockerfile:2\n  2 | \n    | ^\n\
                   hint: begin a stage with FROM, for example: FROM scratch\n";
    assert_said(&app("# nothing yet\n"), &["build", "app"], 1, message);
}

#[test]
fn an_unknown_instruction() {
    let message = "error: unknown instruction \"CPOY\"\nDockerfile:2\n  2 | CPOY a /b\n    | ^^^^\n\
                   hint: did you mean COPY?\n";
    assert_said(&app("FROM scratch\nCPOY a /b\n"), &["build", "app"], 1, message);
}

#[test]
fn an_unknown_flag_of_an_instruction() {
    let message = "error: COPY has no flag --form\nDockerfile:2\n  2 | COPY --form=x a /b\n    |      ^^^^^^^^\n\
                   hint: did you mean --from?\n";
    assert_said(&app("FROM scratch\nCOPY --form=x a /b\n"), &["build", "app"], 1, message);
}

#[test]
fn an_unknown_target() {
    let environment = app("FROM scratch AS build\nCOPY a /b\nFROM scratch AS final\n");
    let message = "error: target stage \"finale\" could not be found\nhint: did you mean final?\n";
    assert_said(&environment, &["build", "--target=finale", "app"], 1, message);
    let message = "error: target stage \"x\" could not be found\nhint: --target takes the name after AS\n";
    assert_said(&environment, &["build", "--target=x", "app"], 1, message);
}

#[test]
fn a_source_that_is_not_there() {
    let environment = app("FROM scratch\nCOPY a /b\nCOPY \\\n  nowhere /x\n");
    let message = "error: /nowhere: not found in the build context\nDockerfile:4\n  4 |   nowhere /x\n    |   ^^^^^^^\n\
                   hint: check the spelling and .dockerignore; nothing outside of a context can be copied\n";
    assert_said(&environment, &["build", "-t", "x", "app"], 1, message);
    assert_nothing_left(&environment);
}

#[test]
fn a_source_outside_of_the_context() {
    let environment = app("FROM scratch\nCOPY ../secret /x\n");
    environment.write("secret", "not for images");
    let message = "error: /secret: not found in the build context\nDockerfile:2\n  2 | COPY ../secret /x\n\
                   \x20   |      ^^^^^^^^^\n\
                   hint: check the spelling and .dockerignore; nothing outside of a context can be copied\n";
    assert_said(&environment, &["build", "-t", "x", "app"], 1, message);
    assert_nothing_left(&environment);
}

#[test]
fn a_link_that_leads_out_of_the_context() {
    let environment = app("FROM scratch\nCOPY dir/secret /x\n");
    environment.write("outside/secret", "not for images");
    std::os::unix::fs::symlink("../outside", environment.path("app/dir")).expect("the directory is ours");
    let message = "error: /dir/secret: not found in the build context\nDockerfile:2\n  2 | COPY dir/secret /x\n\
                   \x20   |      ^^^^^^^^^^\n\
                   hint: check the spelling and .dockerignore; nothing outside of a context can be copied\n";
    assert_said(&environment, &["build", "app"], 1, message);
}

#[test]
fn a_base_with_a_bad_name() {
    let message = "error: invalid image reference \"Team/App\": repository names are lowercase\nDockerfile:1\n\
                   \x20 1 | FROM Team/App\n    | ^^^^^^^^^^^^^\n\
                   hint: write [registry/]name[:tag][@digest] in lower case\n";
    assert_said(&app("FROM Team/App\n"), &["build", "app"], 1, message);
}

#[test]
fn a_base_with_a_bad_platform() {
    let message = "error: invalid platform \"linux/a/b/c\": expected os/architecture[/variant]\nDockerfile:1\n\
                   \x20 1 | FROM --platform=linux/a/b/c scratch\n    |                 ^^^^^^^^^^^\n\
                   hint: write os/architecture, such as linux/arm64\n";
    assert_said(&app("FROM --platform=linux/a/b/c scratch\n"), &["build", "app"], 1, message);
}

#[test]
fn a_base_whose_argument_has_no_value() {
    let message = "error: the base \"$VERSION\" is blank\nDockerfile:2\n  2 | FROM $VERSION\n    |      ^^^^^^^^\n\
                   hint: give the argument in it a default before the first FROM\n";
    assert_said(&app("ARG VERSION\nFROM $VERSION\n"), &["build", "app"], 1, message);
}

#[test]
fn a_run_is_refused_by_its_line() {
    let environment = app("FROM scratch\nCOPY a /b\nRUN make \\\n  install\n");
    let message = "error: the target needs a RUN, and RUN is refused\nDockerfile:3\n  3 | RUN make \\\n    | ^^^^^^^^^^\n\
                   hint: --run=execute runs it, --run=skip leaves it out and says so\n";
    assert_said(&environment, &["build", "--run=refuse", "-t", "x", "app"], 1, message);
    assert_nothing_left(&environment);
}

#[test]
fn a_run_of_a_stage_that_is_not_needed_is_no_matter() {
    let environment = app("FROM scratch AS tools\nRUN make\nFROM scratch\nCOPY a /b\n");
    assert_said(&environment, &["build", "app"], 0, "");
}

#[test]
fn skipped_runs_are_named() {
    let environment = app("FROM scratch\nRUN make \\\n  install\nCOPY a /b\nRUN [\"true\", \"x\"]\n");
    let ended = environment.run(["build", "--run=skip", "--progress=plain", "app"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let said: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("warning:")).collect();
    let expected = [
        "warning: skipped: RUN make   install (Dockerfile:2)",
        "warning: skipped: RUN [\"true\", \"x\"] (Dockerfile:5)",
    ];
    assert_eq!(said, expected);
}

#[test]
fn an_owner_that_nobody_knows() {
    let message = "error: cannot look up the user \"nobody\": the stage is empty, it has no /etc/passwd\nDockerfile:2\n\
                   \x20 2 | COPY --chown=nobody a /\n    | ^^^^^^^^^^^^^^^^^^^^^^^\n\
                   hint: use a number, or start from a base whose /etc/passwd lists the name\n";
    assert_said(&app("FROM scratch\nCOPY --chown=nobody a /\n"), &["build", "app"], 1, message);
}
