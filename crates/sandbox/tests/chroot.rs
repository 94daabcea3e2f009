//! The level of root in an ordinary pod: Docker's default capabilities, no mounts, no namespaces.

mod support;

use std::path::Path;

use shipsmith_sandbox::{Error, Level, Mount, MountSource, Sandbox, Stop, probe};
use support::{Ground, as_root_of_a_pod};

#[ctor::ctor(unsafe)]
fn worker() {
    shipsmith_sandbox::become_worker();
}

fn chroot(dir: &Path) -> Sandbox {
    probe(dir).choose(Some(Level::Chroot)).unwrap_or_else(|error| panic!("{error}; {:?}", error.hint()))
}

fn in_a_pod(test: &str, body: impl FnOnce(&Ground)) {
    as_root_of_a_pod(test, || body(&Ground::new(chroot)));
}

#[test]
fn stronger_levels_say_what_is_missing() {
    in_a_pod("stronger_levels_say_what_is_missing", |ground| {
        let error = probe(ground.dir.path()).choose(Some(Level::Root)).expect_err("no privilege");
        assert_eq!(error.to_string(), "isolation level root is not available: root has no CAP_SYS_ADMIN here");
        assert!(error.hint().expect("a hint").contains("privileged: true"));
    });
}

#[test]
fn a_command_runs_and_its_changes_are_a_layer() {
    in_a_pod("a_command_runs_and_its_changes_are_a_layer", |ground| {
        let outcome =
            ground.sh("cat /etc/hosts; echo new > /etc/new; rm /etc/group; chown 5:6 /root; id -u; echo x > /dev/null");
        assert_eq!((outcome.code, &*outcome.output), (0, "127.0.0.1\tlocalhost buildkitsandbox\n0\n"), "{outcome:?}");
        assert_eq!(outcome.paths(), ["etc", "!etc/group", "etc/new", "root"]);
        assert_eq!(outcome.owner("root"), Some((5, 6)));
    });
}

#[test]
fn nobody_outlives_the_command_or_the_builder() {
    in_a_pod("nobody_outlives_the_command_or_the_builder", |ground| {
        assert_eq!(ground.sh("setsid sleep 1001 & (sleep 1002 &) ; echo done").output, "done\n");
        let stop = Stop::new().expect("a switch");
        let other = stop.clone();
        let spec = ground.spec("(setsid sleep 1003 &); echo started; sleep 1004");
        let result = ground.sandbox.run(&spec, &mut |_, _| other.set(), &stop);
        assert_eq!(result.err(), Some(Error::Stopped));
        for marker in ["1001", "1002", "1003", "1004"] {
            assert!(!support::is_running(&["sleep", marker]), "sleep {marker}");
        }
    });
}

#[test]
fn the_root_is_not_left_and_what_is_not_had_is_refused() {
    in_a_pod("the_root_is_not_left_and_what_is_not_had_is_refused", |ground| {
        assert_eq!(
            ground.answer("ls /; ls /proc; cd ../../..; ls | wc -l"),
            "bin\ndev\netc\nhome\nproc\nroot\nsys\ntmp\n8"
        );
        for script in [
            "chroot /tmp /bin/true",
            "mkdir /tmp/bin; cp /bin/busybox /tmp/bin; chroot /tmp /bin/busybox true",
            "mknod /tmp/d b 7 0",
            "mount -t tmpfs x /tmp",
        ] {
            assert_ne!(ground.sh(script).code, 0, "{script}");
        }
        let mut spec = ground.spec("true");
        spec.mounts = vec![Mount { target: "/x".into(), read_only: false, source: MountSource::Tmpfs { size: 0 } }];
        assert!(matches!(ground.try_run(&spec), Err(Error::Mount { .. })));
        let mut spec = ground.spec("true");
        spec.network = shipsmith_sandbox::Network::None;
        assert!(matches!(ground.try_run(&spec), Err(Error::Unavailable { .. })));
    });
}
