//! However a step ends, and whatever it leaves running, filling or forking: it is over, and nothing is left of it.

use std::fs;
use std::process::Command;

use testkit::tools::{require, run};

use crate::levels::ordinary;
use crate::support::{Ground, running};

#[test]
fn what_runs_in_the_background_ends_with_the_step() {
    let Some(ground) = Ground::new() else { return };
    let marker = format!("98{}", std::process::id());
    let script = format!(
        "sleep {marker} & (setsid sleep {marker} &) ; nohup sleep {marker} > /dev/null 2>&1 & \
         setsid sh -c \"trap '' TERM HUP INT; sleep {marker}; sleep {marker}\" & echo started"
    );
    for end in ["true", "exit 5", "kill -9 $$"] {
        ground.build(&format!("FROM base\nRUN {script}; {end}\n"), &["--no-cache"]);
        assert_eq!(running(&format!("sleep {marker}")), 0, "{end}");
    }
    ground.is_clean();
}

#[test]
fn exit_codes_and_signals_are_told() {
    let Some(ground) = Ground::new() else { return };
    assert!(ground.fails("FROM base\nRUN exit 42\n", &[]).contains("exit code: 42"));
    assert!(ground.fails("FROM base\nRUN sh -c 'kill -SEGV $$'; exit $?\n", &[]).contains("139"));
    assert!(ground.fails("FROM base\nRUN [\"/no/such\"]\n", &[]).contains("/no/such"));
    let said = ground.fails("FROM base\nRUN echo out; echo err >&2; printf unfinished; false\n", &[]);
    assert!(["out", "err", "unfinished"].iter().all(|line| said.contains(line)), "{said}");
    ground.is_clean();
}

/// The shell's own, whose processes end as fast as they are started once the kernel gives no more.
#[test]
fn a_fork_bomb_of_an_ordinary_user_ends_with_a_word() {
    let Some(ground) = Ground::new() else { return };
    let marker = format!("96{}", std::process::id());
    for level in ["subuid", "single-id"] {
        let bomb = format!("FROM base\nRUN bomb() {{ bomb | bomb & }}; bomb; sleep {marker}\n");
        let ended = ordinary(&ground, level, &ground.arguments(&bomb, &["--isolation", level]));
        assert_eq!(ended.code, Some(1), "{level}: {}", ended.stderr);
        assert!(ended.stderr.contains("more than 4096 processes"), "{level}: {}", ended.stderr);
        assert_eq!(running(&format!("sleep {marker}")), 0, "{level}");
    }
}

#[test]
fn a_fork_bomb_ends_with_a_word() {
    let Some(ground) = Ground::new() else { return };
    let marker = format!("97{}", std::process::id());
    let bomb = format!("FROM base\nRUN bomb() {{ while :; do sleep {marker} & done; }}; bomb\n");
    let said = ground.fails(&bomb, &[]);
    assert!(said.contains("process") || said.contains("fork"), "{said}");
    assert_eq!(running(&format!("sleep {marker}")), 0);
    ground.goes_on();
}

/// What `build` gives while the store is on a disk of 96 MB.
fn on_a_small_disk<T>(ground: &Ground, build: impl FnOnce() -> T) -> Option<T> {
    let mount = require("mount")?;
    let store = ground.environment().store();
    fs::create_dir(&store).expect("ours");
    run(mount.command().args(["-t", "tmpfs", "-o", "size=96m", "tmpfs"]).arg(&store));
    let built = build();
    let holders = fs::read_to_string("/proc/self/mountinfo").expect("it").matches(&store.display().to_string()).count();
    run(Command::new("umount").arg(&store));
    assert_eq!(holders, 1, "only the tmpfs itself");
    Some(built)
}

#[test]
fn a_full_disk_ends_with_a_word() {
    let Some(ground) = Ground::new() else { return };
    let Some((said, again)) = on_a_small_disk(&ground, || {
        let said = ground.build("FROM base\nRUN dd if=/dev/zero of=/big bs=1M count=1000\n", &[]);
        (said, ground.build("FROM base\nRUN echo small > /small\n", &[]))
    }) else {
        return;
    };
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stderr.to_lowercase().contains("space"), "{}", said.stderr);
    assert_eq!(again.code, Some(0), "the room is free again: {}", again.stderr);
    ground.is_clean();
}

/// Slow enough for us to see it before the kernel refuses the command.
#[test]
fn a_disk_that_fills_slowly_is_never_full() {
    let Some(ground) = Ground::new() else { return };
    let left = "$(df -k / | tail -n 1 | awk '{ print $4 }')";
    let fill = format!(
        "dd if=/dev/zero of=/big bs=1k count=$(({left} - 4096)); \
         while [ {left} -gt 900 ]; do dd if=/dev/zero bs=64k count=1 >> /big; done; sleep 1000"
    );
    let Some(said) = on_a_small_disk(&ground, || ground.build(&format!("FROM base\nRUN {fill}\n"), &[])) else {
        return;
    };
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("ended the command: only") && said.stderr.contains("--store"), "{}", said.stderr);
    ground.is_clean();
}

#[test]
fn a_flood_of_output_is_no_flood_of_memory() {
    let Some(ground) = Ground::new() else { return };
    let said =
        ground.builds("FROM base\nRUN head -c 50000000 /dev/zero | tr '\\0' x; seq 1 100000; echo the-end\n", &[]);
    assert!(said.contains("the-end"));
    ground.is_clean();
}

#[test]
fn limits_are_those_asked_for() {
    let Some(ground) = Ground::new() else { return };
    let said = ground.prints("", "ulimit -n; ulimit -Hn", &["--ulimit=nofile=77:99"]);
    assert_eq!(said, "77\n99\n");
    let shm = ground.prints("", "df -k /dev/shm | tail -n 1 | awk '{ print $2 }'", &["--shm-size=2m"]);
    assert_eq!(shm.trim(), "2048");
    ground.is_clean();
}
