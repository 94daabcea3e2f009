//! The builder is killed in the middle of a step: nothing of the step survives, and the next build goes on.

use std::thread::sleep;
use std::time::Duration;

use crate::support::{Ground, running};

const TIMES: u64 = 50;
const STEPS: &str = "RUN mkdir /d && for i in $(seq 1 300); do echo $i > /d/$i; done && rm -rf /bin/ls\n\
     RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t cp -r /d /c/ && sleep 0.05 && touch /x\n";

/// Milliseconds that differ from one time to the next, spread over the length of a build.
fn moment(time: u64, longest: u64) -> u64 {
    time.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) % longest
}

#[test]
fn a_killed_builder_leaves_nothing_and_harms_nothing() {
    let Some(ground) = Ground::new() else { return };
    let marker = format!("96{}", std::process::id());
    let dockerfile = format!("FROM base\n{STEPS}RUN sleep {marker} & sleep 0.2\n");
    let arguments = ground.arguments(&dockerfile, &["--no-cache"]);
    let whole = std::time::Instant::now();
    ground.environment().ok(arguments.clone());
    let longest = u64::try_from(whole.elapsed().as_millis()).expect("short") + 50;
    for time in 0..TIMES {
        let mut builder = ground.environment().command(arguments.clone());
        let mut builder = builder.stderr(std::process::Stdio::null()).spawn().expect("it starts");
        sleep(Duration::from_millis(moment(time, longest)));
        builder.kill().expect("it is ours");
        builder.wait().expect("it is ours");
        gone(&format!("sleep {marker}"));
        if time % 10 == 9 {
            ground.goes_on();
        }
    }
    ground.environment().ok(arguments);
    ground.goes_on();
}

/// The kernel takes a moment to end a whole sandbox after its builder.
fn gone(command: &str) {
    for _ in 0..200 {
        if running(command) == 0 {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("{command} survived its builder");
}

#[test]
fn an_interrupted_build_cleans_up() {
    let Some(ground) = Ground::new() else { return };
    let marker = format!("95{}", std::process::id());
    let arguments = ground.arguments(&format!("FROM base\nRUN echo begun; sleep {marker}\n"), &[]);
    let mut builder = ground.environment().command(arguments).spawn().expect("it starts");
    while running(&format!("sleep {marker}")) == 0 {
        assert!(builder.try_wait().expect("ours").is_none(), "it ended before its step began");
        sleep(Duration::from_millis(10));
    }
    let pid = builder.id().to_string();
    testkit::tools::run(std::process::Command::new("kill").args(["-INT", &pid]));
    assert!(!builder.wait().expect("it ends").success());
    gone(&format!("sleep {marker}"));
    ground.goes_on();
}
