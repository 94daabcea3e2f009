//! What a plan is refused for, and what happens when a part of it fails.

use std::net::TcpListener;

use crate::ground::Ground;

#[test]
fn names_that_nobody_knows_are_refused_with_what_was_meant() {
    let Some(ground) = Ground::new() else { return };
    let said = ground.environment.fails(2, ground.bake(["--targets=contrl"]));
    assert!(said.contains("unknown target \"contrl\"") && said.contains("did you mean \"control\"?"), "{said}");
    let said = ground.environment.fails(2, ground.bake(["--variants=debgu"]));
    assert!(said.contains("did you mean \"debug\"?"), "{said}");
    let said = ground.environment.fails(2, ground.bake(["--builder=crane"]));
    assert!(said.contains("leave it out"), "{said}");
    let hub = "--hub=docker.io/istio";
    assert!(ground.environment.fails(2, ground.bake([hub, "--push"])).contains("only CI pushes"));
}

#[test]
fn mistakes_in_a_plan_are_shown_in_their_line() {
    let Some(ground) = Ground::new() else { return };
    let said = |text: &str| {
        ground.environment.write("wrong.yaml", text);
        ground.environment.fails(2, ["bake", "-f", "wrong.yaml"])
    };
    let text = said("images:\n- name: a\n  dockerfile: D\n  target: [x]\n");
    assert!(text.contains("error: unknown key \"target\"\nwrong.yaml:4\n  4 |   target: [x]\n    |   ^"), "{text}");
    assert!(text.contains("hint: did you mean \"targets\"?"), "{text}");
    let text = said("images:\n- name: a\n  dockerfile: D\n- name: a\n  dockerfile: D\n");
    assert!(text.contains("wrong.yaml:4\n  4 | - name: a\n    |         ^\n"), "{text}");
}

#[test]
fn a_failing_command_shows_what_it_says_and_nothing_of_its_image_is_pushed() {
    let Some(ground) = Ground::new() else { return };
    ground.environment.write("programs/service.sh", "");
    ground.environment.write("Makefile", "init:\n%:\n\t@echo no way to make it >&2; exit 1\n");
    let hub = ground.hub("one");
    let flags = ["--tag=1", "--targets=control,upstream", "--push", "--keep-going", &hub];
    let ended = ground.environment.run(ground.bake(flags));
    assert_ne!(ended.code, Some(0));
    assert!(ended.stderr.contains("no way to make it"), "{}", ended.stderr);
    assert!(!ground.remote.has("one/control:1") && ground.remote.has("one/upstream:1"), "{}", ended.stderr);
}

#[test]
fn what_is_there_is_not_clobbered_but_for_latest() {
    let Some(ground) = Ground::new() else { return };
    let hub = ground.hub("one");
    let bake = |tag: &str| ground.bake([tag, "--targets=upstream", "--push", "--no-clobber", &hub]);
    ground.environment.ok(bake("--tag=1"));
    let said = ground.environment.fails(3, bake("--tag=1"));
    assert!(said.contains("one/upstream:1 is there already"), "{said}");
    ground.environment.ok(bake("--tag=latest"));
    ground.environment.ok(bake("--tag=latest"));
}

#[test]
fn a_hub_that_is_down_keeps_nothing_from_the_others() {
    let Some(ground) = Ground::new() else { return };
    let closed = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it is bound");
    let (up, down) = (ground.hub("up"), format!("--hub={closed}/down"));
    let flags = ["--tag=1", "--targets=upstream,client", "--push", "--keep-going", &down, &up];
    let said = ground.environment.fails(3, ground.bake(flags));
    assert!(said.contains(&format!("{closed}/down/upstream")) && said.contains("2 images: 2 failed"), "{said}");
    assert!(ground.remote.has("up/upstream:1") && ground.remote.has("up/client:1"), "{said}");
}
