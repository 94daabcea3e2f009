//! The levels of an ordinary user.

mod support;

use std::path::Path;

use shipsmith_sandbox::{Error, Level, Network, Sandbox, Stop, probe};
use support::{Ground, as_user};

#[ctor::ctor(unsafe)]
fn worker() {
    shipsmith_sandbox::become_worker();
}

const LEVELS: [Level; 2] = [Level::Subordinate, Level::SingleId];

fn sandbox(level: Level) -> impl FnOnce(&Path) -> Sandbox {
    move |dir| probe(dir).choose(Some(level)).unwrap_or_else(|error| panic!("{error}; {:?}", error.hint()))
}

fn at_each(test: &str, body: impl Fn(&Ground)) {
    as_user(test, || LEVELS.into_iter().for_each(|level| body(&Ground::new(sandbox(level)))));
}

#[test]
fn subordinate_ids_are_preferred() {
    as_user("subordinate_ids_are_preferred", || {
        let ground = Ground::new(|dir| probe(dir).choose(None).expect("a level"));
        assert_eq!(ground.sandbox.level(), Level::Subordinate);
        assert_eq!(ground.sandbox.scheme(), "subuid-1-1-200000x65536-200000x65536");
        let root = probe(ground.dir.path()).choose(Some(Level::Root)).expect_err("not root");
        assert!(matches!(root, Error::Unavailable { .. }), "{root}");
    });
}

#[test]
fn a_command_runs_and_its_changes_are_a_layer() {
    at_each("a_command_runs_and_its_changes_are_a_layer", |ground| {
        let outcome =
            ground.sh("id -u; echo new > /etc/new; rm /etc/group; rm -r /home; mkdir /home; hostname; echo $$");
        assert_eq!((outcome.code, &*outcome.output), (0, "0\nbuildkitsandbox\n2\n"), "{outcome:?}");
        let paths = outcome.paths();
        assert!(paths.contains(&"!etc/group".to_owned()) && paths.contains(&"etc/new".to_owned()), "{paths:?}");
    });
}

#[test]
fn owners_get_into_the_layer() {
    at_each("owners_get_into_the_layer", |ground| {
        let outcome = ground.sh("mkdir /d && touch /d/a /d/b && chown 5:6 /d/a && chown -R 7 /d && mv /d/a /d/c && \
             cd /d && ln -s c l && chown 9:9 l && chown 33:33 /etc/passwd");
        assert_eq!(outcome.code, 0, "{outcome:?}");
        let owners = ["d", "d/b", "d/c", "etc/passwd"].map(|path| outcome.owner(path));
        assert_eq!(owners, [Some((7, 0)), Some((7, 0)), Some((9, 9)), Some((33, 33))], "{:?}", outcome.paths());
    });
}

#[test]
fn processes_become_other_users() {
    at_each("processes_become_other_users", |ground| {
        let mut spec = ground.spec("id; (id)");
        spec.process.uid = 1000;
        spec.process.gid = 1000;
        spec.process.groups = vec![7];
        let line = "uid=1000(user) gid=1000(user) groups=7\n";
        assert_eq!(ground.run(&spec).output, format!("{line}{line}"));
        let perl = "perl -e '($<, $>) = (42, 42); print \"$< $>\\n\"; system(\"/bin/id -u\")'";
        let mut spec = ground.spec(perl);
        spec.process.env = vec![("PATH".into(), "/bin:/usr/bin".into())];
        for name in ["lib", "lib64"] {
            std::os::unix::fs::symlink(format!("usr/{name}"), ground.layer().join(name)).expect("link");
        }
        let usr = shipsmith_sandbox::MountSource::Directory { path: "/usr".into(), below: String::new() };
        spec.mounts = vec![shipsmith_sandbox::Mount { target: "/usr".into(), read_only: true, source: usr }];
        let outcome = ground.run(&spec);
        assert_eq!(outcome.output, "42 42\n42\n", "{outcome:?}");
    });
}

#[test]
fn the_host_is_out_of_reach() {
    at_each("the_host_is_out_of_reach", |ground| {
        assert_eq!(ground.answer("ls /"), "bin\ndev\netc\nhome\nproc\nroot\nsys\ntmp");
        assert!(ground.answer("ls -d /proc/[0-9]*").lines().count() <= 3, "init, the shell and ls");
        assert_eq!(
            ground.answer("grep -E '^(CapEff|Seccomp:)' /proc/self/status | cut -f 2 | tr '\\n' ' '"),
            "00000000a80425fb 2"
        );
        for script in [
            "mount -t tmpfs x /tmp",
            "umount /proc",
            "echo x > /sys/kernel/x",
            "echo 1 > /proc/sys/kernel/panic",
            "chmod 0 /dev/null",
            "mknod /tmp/zero c 1 5 && head -c 1 /tmp/zero",
            "cat /proc/1/environ",
            "kill -9 1; sleep 0.1; false",
        ] {
            assert_ne!(ground.sh(script).code, 0, "{script}");
        }
    });
}

#[test]
fn networks_and_directories_are_as_asked() {
    at_each("networks_and_directories_are_as_asked", |ground| {
        let mut spec = ground.spec("ip -o addr | awk '{print $2, $4}' | head -n 1; pwd; touch x");
        spec.network = Network::None;
        spec.process.directory = "/a/b".into();
        let outcome = ground.run(&spec);
        assert_eq!(outcome.output, "lo 127.0.0.1/8\n/a/b\n", "{outcome:?}");
        assert_eq!(outcome.paths(), ["a", "a/b", "a/b/x"]);
    });
}

#[test]
fn stopping_ends_it() {
    at_each("stopping_ends_it", |ground| {
        let stop = Stop::new().expect("a switch");
        stop.set();
        assert_eq!(ground.run_until(&ground.spec("sleep 1000"), &stop).err(), Some(Error::Stopped));
    });
}
