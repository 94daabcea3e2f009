//! Ten processes with one store, killed whenever it suits worst.

use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use store::Store;

use crate::ground::{Ground, Remote};

const ROUNDS: u64 = 6;
const PROCESSES: u64 = 10;
const ARCHES: [&str; 5] = ["amd64", "arm64", "s390x", "riscv64", "ppc64le"];

/// Milliseconds that differ from one time to the next.
fn moment(time: u64) -> u64 {
    time.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) % 400
}

fn start(ground: &Ground, remote: &Remote, hash: &str, process: u64) -> Child {
    let path = ground.path("a").display().to_string();
    let index = usize::try_from(process).expect("small") % ARCHES.len();
    let platform = format!("--platforms=linux/{}", ARCHES[index]);
    let arguments = ["pkg", "push", &path, &remote.org(), hash, &platform, "--progress=none"];
    let mut command = ground.environment.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

#[test]
fn killed_processes_lose_nothing_and_leave_no_half_index() {
    let (Some(ground), Some(remote)) = (Ground::with_package(), Remote::start()) else { return };
    for round in 0..ROUNDS {
        let hash = format!("--hash=round{round}");
        let mut children: Vec<Child> = (0..PROCESSES).map(|process| start(&ground, &remote, &hash, process)).collect();
        for (number, child) in (0..).zip(&mut children) {
            sleep(Duration::from_millis(moment(round * PROCESSES + number) / 10));
            if number % 3 != 0 {
                child.kill().expect("it is ours");
            }
        }
        for child in &mut children {
            child.wait().expect("it is ours");
        }
        let name = format!("a:round{round}");
        if remote.manifest(&name).is_some() {
            remote.copy_all(&name);
        }
        let all = format!("--platforms={}", ARCHES.map(|arch| format!("linux/{arch}")).join(","));
        ground.ok("push", "a", &[&remote.org(), &hash, &all]);
        let mut arches = remote.arches(&name);
        arches.sort();
        let mut expected = ARCHES.to_vec();
        expected.sort_unstable();
        assert_eq!(arches, expected);
        remote.copy_all(&name);
    }
    let damage = Store::open(ground.environment.store()).and_then(|store| store.verify()).expect("a store");
    assert!(damage.is_empty(), "{damage:?}");
}

#[test]
fn processes_that_push_at_once_all_get_in() {
    let (Some(ground), Some(remote)) = (Ground::with_package(), Remote::start()) else { return };
    let mut children: Vec<Child> =
        (0..PROCESSES).map(|process| start(&ground, &remote, "--hash=all", process)).collect();
    for child in &mut children {
        assert!(child.wait().expect("it is ours").success());
    }
    assert_eq!(remote.arches("a:all").len(), ARCHES.len());
    remote.copy_all("a:all");
}
