//! The strongest level: run as root.

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};

use shipsmith_sandbox::{Error, Level, Mount, MountSource, Network, Secret, Stop, Ulimit, probe};
use support::{Ground, on_an_overlay};

#[ctor::ctor(unsafe)]
fn worker() {
    shipsmith_sandbox::become_worker();
}

fn ground() -> Ground {
    Ground::new(|dir| probe(dir).choose(Some(Level::Root)).expect("root"))
}

fn mounted(target: &str, read_only: bool, source: MountSource) -> Mount {
    Mount { target: target.into(), read_only, source }
}

#[test]
fn a_command_runs_and_its_changes_are_a_layer() {
    let ground = ground();
    let outcome = ground.sh("echo hello; echo oops >&2; echo new > /etc/new; rm /etc/group");
    assert_eq!((outcome.code, &*outcome.output, &*outcome.errors), (0, "hello\n", "oops\n"), "{outcome:?}");
    assert_eq!(outcome.paths(), ["etc", "!etc/group", "etc/new"]);
}

#[test]
fn what_is_read_only_changes_nothing() {
    assert_eq!(
        ground().sh("cat /etc/hosts /etc/resolv.conf /proc/self/status > /dev/null; ls -lR /etc").paths(),
        [""; 0]
    );
}

#[test]
fn how_a_command_ends_is_reported() {
    let ground = ground();
    assert_eq!(ground.sh("exit 42").exit, "exit code: 42");
    assert_eq!(ground.sh("kill -9 $$").exit, "killed by signal 9 (SIGKILL)");
    assert_eq!(ground.sh("kill -9 $$").code, 137);
    let mut spec = ground.spec("");
    spec.process.args = vec!["nothing".into()];
    assert_eq!(ground.run(&spec).exit, "exit code: 127: nothing: not found in $PATH (/bin)");
    let mut spec = ground.spec("");
    spec.process.args = vec!["/etc/passwd".into()];
    assert_eq!(ground.run(&spec).code, 126);
}

#[test]
fn the_environment_is_the_steps_alone() {
    let ground = ground();
    assert_eq!(ground.answer("env | sort"), "HOME=/root\nPATH=/bin\nPWD=/\nSHLVL=1");
    let mut spec = ground.spec("id; pwd; env | grep HOME; touch here; echo x > /dev/stdout");
    spec.process.uid = 1000;
    spec.process.gid = 1000;
    spec.process.groups = vec![7, 8];
    spec.process.directory = "/work/deep".into();
    let outcome = ground.run(&spec);
    assert_eq!(
        outcome.output, "uid=1000(user) gid=1000(user) groups=7,8\n/work/deep\nHOME=/home/user\nx\n",
        "{outcome:?}"
    );
    assert_eq!(outcome.paths(), ["work", "work/deep", "work/deep/here"]);
}

#[test]
fn the_world_is_as_containers_have_it() {
    let ground = ground();
    assert_eq!(
        ground.answer("hostname; cat /etc/hosts /etc/resolv.conf"),
        "buildkitsandbox\n127.0.0.1\tlocalhost buildkitsandbox\nnameserver 192.0.2.1"
    );
    assert_eq!(
        ground.answer("ls /dev | tr '\\n' ' '"),
        "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero"
    );
    assert_eq!(ground.answer("cat | wc -c; echo $$; head -c 3 /dev/zero | wc -c"), "0\n2\n3");
    assert_eq!(ground.answer("df -k /dev/shm | awk 'NR==2{print $2}'"), "65536");
    assert_eq!(ground.answer("stat -c '%a %u' / /tmp /dev /dev/null /dev/shm"), "755 0\n755 0\n755 0\n666 0\n1777 0");
}

#[test]
fn limits_are_set() {
    let ground = ground();
    let mut spec = ground.spec("ulimit -n; ulimit -Hn");
    spec.ulimits = vec![Ulimit { name: "nofile".into(), soft: 100, hard: 200 }];
    assert_eq!(ground.run(&spec).output, "100\n200\n");
    spec = ground.spec("true");
    spec.ulimits = vec![Ulimit { name: "wishes".into(), soft: 3, hard: 3 }];
    assert!(matches!(ground.try_run(&spec), Err(Error::Ulimit { .. })));
}

#[test]
fn control_groups_are_joined_and_removed() {
    let ground = ground();
    let mut spec = ground.spec("cat /proc/self/cgroup");
    spec.cgroup_parent = Some("/shipsmith-test/../shipsmith-test".into());
    let outcome = ground.run(&spec);
    assert!(outcome.output.lines().any(|line| line.ends_with(":/")), "the root of a namespace: {outcome:?}");
    for hierarchy in fs::read_dir("/sys/fs/cgroup").expect("control groups").flatten() {
        let parent = hierarchy.path().join("shipsmith-test");
        let groups = fs::read_dir(&parent).into_iter().flatten().flatten();
        assert_eq!(groups.filter(|entry| entry.path().is_dir()).count(), 0, "{parent:?}");
        drop(fs::remove_dir(&parent));
    }
    drop(fs::remove_dir("/sys/fs/cgroup/shipsmith-test"));
}

#[test]
fn without_a_network_there_is_a_loopback() {
    let ground = ground();
    let mut spec = ground.spec("ip -o addr | awk '{print $2, $4}'; ping -c 1 -W 1 192.0.2.1 || echo unreachable");
    spec.network = Network::None;
    let outcome = ground.run(&spec);
    assert!(outcome.output.starts_with("lo 127.0.0.1/8\n"), "{outcome:?}");
    assert!(outcome.output.ends_with("unreachable\n"), "{outcome:?}");
}

#[test]
fn mounts_show_what_they_should_and_leave_nothing() {
    let ground = ground();
    let cache = ground.dir.path().join("cache");
    fs::create_dir_all(cache.join("below")).expect("cache");
    let from = ground.dir.path().join("from");
    fs::create_dir_all(from.join("dir")).expect("from");
    fs::write(from.join("dir/file"), "from").expect("file");
    let mut spec = ground.spec(
        "cat /a/b/file; echo changed > /a/b/file; cat /a/b/file; echo kept > /cache/file; cat /run/secrets/s; \
         stat -c '%a %u' /run/secrets/s; echo x > /mem/x; echo x > /ro/x; echo x > /run/secrets/s; true",
    );
    let stack = |ground: &Ground| ground.stack(vec![from.clone()]);
    spec.mounts = vec![
        mounted("/a/b", false, MountSource::Stack { stack: stack(&ground), path: "/dir".into() }),
        mounted("/cache", false, MountSource::Directory { path: cache.clone(), below: "below".into() }),
        mounted("/mem", false, MountSource::Tmpfs { size: 1 << 20 }),
        mounted("/ro", true, MountSource::Stack { stack: stack(&ground), path: "dir".into() }),
        mounted(
            "/run/secrets/s",
            true,
            MountSource::File { content: Secret(b"secret\n".to_vec()), uid: 3, gid: 4, mode: 0o400 },
        ),
    ];
    let outcome = ground.run(&spec);
    assert_eq!(outcome.output, "fromchanged\nsecret\n400 3\n", "{outcome:?}");
    assert_eq!(outcome.errors.matches("Read-only file system").count(), 2, "{outcome:?}");
    assert_eq!(outcome.paths(), [""; 0]);
    assert_eq!(fs::read_to_string(cache.join("below/file")).expect("kept"), "kept\n");
    assert_eq!(fs::read_to_string(from.join("dir/file")).expect("untouched"), "from");
}

#[test]
fn a_mount_that_is_not_there_is_named() {
    let ground = ground();
    let mut spec = ground.spec("true");
    let stack = ground.stack(vec![ground.layer()]);
    spec.mounts = vec![mounted("/x", true, MountSource::Stack { stack, path: "/missing".into() })];
    let error = ground.try_run(&spec).expect_err("missing");
    assert_eq!(error.to_string(), "cannot mount /x: \"/missing\" does not exist where it is to come from");
}

#[test]
fn a_socket_leads_to_the_hosts_and_is_the_users() {
    let ground = ground();
    let path = ground.dir.path().join("agent");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("agent");
    let agent = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody");
        std::io::Write::write_all(&mut stream, b"from the agent\n").expect("said");
    });
    let mut spec = ground.spec(
        "echo $$; stat -c '%a %u %F' /run/agent; perl -MIO::Socket::UNIX -e 'print IO::Socket::UNIX->new(\"/run/agent\")->getline'",
    );
    spec.process.uid = 1000;
    spec.process.env = vec![("PATH".into(), "/bin:/usr/bin".into())];
    for name in ["lib", "lib64"] {
        symlink(format!("usr/{name}"), ground.layer().join(name)).expect("link");
    }
    spec.mounts = vec![
        mounted("/run/agent", false, MountSource::Socket { path, uid: 1000, gid: 0, mode: 0o600 }),
        mounted("/usr", true, MountSource::Directory { path: "/usr".into(), below: String::new() }),
    ];
    let outcome = ground.run(&spec);
    // The process that leads there is not in the sandbox: only the first one is there besides.
    assert_eq!(outcome.output, "2\n600 1000 socket\nfrom the agent\n", "{outcome:?}");
    agent.join().expect("answered");
}

#[test]
fn stopping_ends_everything_at_once() {
    let ground = ground();
    let stop = Stop::new().expect("a switch");
    let other = stop.clone();
    let mut said = String::new();
    let started = Instant::now();
    let spec = ground.spec("sleep 1000 & setsid sleep 1000 & echo started; wait");
    let mut output = |_, bytes: &[u8]| {
        said.push_str(&String::from_utf8_lossy(bytes));
        other.set();
    };
    let result = ground.sandbox.run(&spec, &mut output, &stop);
    assert_eq!(result.err(), Some(Error::Stopped));
    assert_eq!(said, "started\n");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn nobody_outlives_the_command() {
    let ground = ground();
    let outcome = ground.sh("(trap '' TERM HUP; sleep 1000) & setsid sleep 1001 > /dev/null 2>&1 & echo done");
    assert_eq!(outcome.output, "done\n");
}

#[test]
fn a_fork_bomb_ends_with_a_reason() {
    let ground = ground();
    let error = ground.try_run(&ground.spec("bomb() { bomb | bomb & }; bomb; sleep 1000")).expect_err("too many");
    assert!(matches!(error, Error::TooManyProcesses { .. }), "{error}");
}

#[test]
fn copies_stand_in_where_overlays_are_refused() {
    on_an_overlay("copies_stand_in_where_overlays_are_refused", || {
        let ground = ground();
        assert!(!ground.sandbox.has_overlays());
        let mut spec = ground.spec(
            "cat /etc/hosts /from/passwd | wc -l; echo new > /etc/new; rm /etc/group; mknod /tmp/z c 1 5 && cat /tmp/z",
        );
        let stack = ground.stack(vec![ground.layer()]);
        spec.mounts = vec![mounted("/from", true, MountSource::Stack { stack, path: "etc".into() })];
        spec.process.args[2].push_str("; true");
        let outcome = ground.run(&spec);
        assert_eq!(outcome.output, "3\n", "{outcome:?}");
        assert_eq!(outcome.paths(), ["etc", "!etc/group", "etc/new", "tmp", "tmp/z"]);
    });
}

mod attempts {
    //! Each must fail.

    use super::*;

    #[test]
    fn to_see_the_host() {
        let ground = ground();
        assert_eq!(ground.answer("ls /"), "bin\ndev\netc\nhome\nproc\nroot\nsys\ntmp");
        assert!(ground.answer("ls -d /proc/[0-9]*").lines().count() <= 3, "init, the shell and ls");
        let outcome = ground.sh(
            "cat /proc/1/environ || ls /proc/1/root || readlink /proc/1/exe || readlink /proc/1/fd/3 || echo hidden",
        );
        assert_eq!(outcome.output, "hidden\n", "{outcome:?}");
        assert_eq!(
            ground.answer("grep -c . /proc/keys; cat /proc/kcore | wc -c; ls /sys/firmware /proc/acpi | grep -v :"),
            "0\n0"
        );
        let mounts = ground.answer("cat /proc/self/mountinfo");
        assert!(!mounts.contains(ground.dir.path().to_str().expect("text")), "{mounts}");
    }

    #[test]
    fn to_use_descriptors_of_others() {
        let ground = ground();
        assert_eq!(
            ground.answer("ls -l /proc/self/fd | grep -vc 'pipe:\\|/dev/null\\|total'"),
            "1",
            "the last is of ls"
        );
    }

    #[test]
    fn to_work_in_a_descriptor_of_others() {
        let ground = ground();
        for fd in 0..20 {
            let mut spec = ground.spec("ls");
            spec.process.directory = format!("/proc/self/fd/{fd}");
            assert!(matches!(ground.try_run(&spec), Err(Error::Directory { .. })), "{fd}");
        }
    }

    #[test]
    fn to_have_more_capabilities() {
        let ground = ground();
        let set = "00000000a80425fb";
        let none = "0000000000000000";
        assert_eq!(
            ground.answer("grep ^Cap /proc/self/status | cut -f 2 | tr '\\n' ' '"),
            format!("{none} {set} {set} {set} {none}")
        );
        let mut spec =
            ground.spec("grep ^Cap /proc/self/status | cut -f 2 | tr '\\n' ' '; grep Seccomp: /proc/self/status");
        spec.process.uid = 5;
        assert_eq!(ground.run(&spec).output, format!("{none} {none} {none} {set} {none} Seccomp:\t2\n"));
        let mut spec =
            ground.spec("grep -E '^(CapEff|Seccomp:)' /proc/self/status; mount -t tmpfs x /tmp && echo mounted");
        spec.privileged = true;
        let outcome = ground.run(&spec);
        assert!(outcome.output.ends_with("Seccomp:\t0\nmounted\n") && !outcome.output.contains(set), "{outcome:?}");
    }

    #[test]
    fn to_mount_or_to_make_namespaces() {
        let ground = ground();
        for script in [
            "mount -t tmpfs x /tmp",
            "umount /proc",
            "mount -o remount,rw /sys",
            "echo 1 > /proc/sys/kernel/panic",
            "hostname other",
        ] {
            assert_ne!(ground.sh(script).code, 0, "{script}");
        }
    }

    #[test]
    fn to_open_devices() {
        let ground = ground();
        let outcome = ground.sh("for d in /tmp /dev /dev/shm; do mknod $d/kmem c 1 2; mknod $d/zero2 c 1 5; dd if=$d/zero2 of=/tmp/x count=1 && echo opened; done; true");
        assert!(!outcome.output.contains("opened"), "{outcome:?}");
        assert!(outcome.paths().contains(&"tmp/zero2".to_owned()), "{:?}", outcome.paths());
        ground.sh("chmod 0 /dev/null; chown 5 /dev/null");
        assert_eq!(fs::metadata("/dev/null").expect("the host's").permissions().mode() & 0o777, 0o666);
    }

    #[test]
    fn to_lead_mounts_outside() {
        let ground = ground();
        let outside = ground.dir.path().join("outside");
        fs::create_dir(&outside).expect("outside");
        fs::write(outside.join("canary"), "canary").expect("canary");
        let layer = ground.layer();
        fs::remove_dir(layer.join("tmp")).expect("tmp");
        for name in ["tmp", "target", "etc/hosts", "etc/resolv.conf"] {
            symlink(outside.join(name.replace("etc/", "")), layer.join(name)).expect("link");
        }
        let mut spec = ground.spec("echo x > /target/x; echo y > /tmp/y; cat /etc/hosts");
        spec.mounts = vec![mounted("/target", false, MountSource::Tmpfs { size: 0 })];
        spec.process.directory = "/tmp/work".into();
        let outcome = ground.run(&spec);
        assert_eq!(outcome.output, "127.0.0.1\tlocalhost buildkitsandbox\n", "{outcome:?}");
        assert_eq!(fs::read_to_string(outside.join("canary")).expect("canary"), "canary");
        assert_eq!(fs::read_dir(&outside).expect("outside").count(), 1);
    }

    #[test]
    fn to_have_the_kernels_file_systems_mounted_elsewhere() {
        for name in ["proc", "sys", "dev"] {
            let ground = ground();
            fs::remove_dir(ground.layer().join(name)).expect("removed");
            symlink("etc", ground.layer().join(name)).expect("link");
            let error = ground.try_run(&ground.spec("true")).expect_err("refused");
            assert!(matches!(error, Error::System { .. }), "{error}");
        }
        let ground = ground();
        symlink("/proc/self", ground.layer().join("into")).expect("link");
        let mut spec = ground.spec("true");
        spec.mounts = vec![mounted("/into/attr", false, MountSource::Tmpfs { size: 0 })];
        assert!(matches!(ground.try_run(&spec), Err(Error::Mount { .. })));
    }
}

/// `--ulimit nproc` raises the limit by which fork bombs are noticed.
#[test]
fn more_processes_than_a_bomb_has_are_had_for_the_asking() {
    let ground = ground();
    // Some seconds more, so that somebody looks while they are all there.
    let many = "i=0; while [ $i -lt 4200 ]; do sleep 1000 & i=$((i + 1)); done; sleep 5; echo all";
    let mut spec = ground.spec(many);
    spec.ulimits = vec![Ulimit { name: "nproc".into(), soft: 5000, hard: 5000 }];
    assert_eq!(ground.run(&spec).output, "all\n");
    let error = ground.try_run(&ground.spec(many)).expect_err("too many");
    assert!(error.hint().is_some_and(|hint| hint.contains("--ulimit nproc")), "{error}");
}
