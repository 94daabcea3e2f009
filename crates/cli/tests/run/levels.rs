//! What each isolation level guarantees, as a table that is tested row by row.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use testkit::environment::{Ended, ended};
use testkit::tools::require;

use crate::support::{CANARY, Ground};

/// A user of our own, whom the machine's files do not know.
const USER: u32 = 61_234;

/// Runs the program as an ordinary user in a mount namespace where that user has an account and, at the level `subuid`,
/// subordinate ids. The user's home, store and working directory are the ground's.
pub(crate) fn ordinary(ground: &Ground, level: &str, arguments: &[String]) -> Ended {
    let work = ground.environment().work();
    let home = work.parent().expect("it is in a directory");
    let write = |name: &str, text: String| {
        let path = home.join(name);
        fs::write(&path, text).expect("ours");
        path.display().to_string()
    };
    let passwd = fs::read_to_string("/etc/passwd").expect("it");
    let passwd = write("passwd", format!("{passwd}tester:x:{USER}:{USER}::/:/bin/sh\n"));
    let ids = if level == "subuid" { format!("tester:{}:65536\n", 1 << 30) } else { String::new() };
    let ids = write("subids", ids);
    let script = "mount --bind \"$0\" /etc/passwd; mount --bind \"$1\" /etc/subuid; mount --bind \"$1\" /etc/subgid; \
         chown -R \"$2\" \"$3\"; chmod 755 \"$3\"; who=$2; shift 3; exec setpriv --reuid \"$who\" --regid \"$who\" --clear-groups \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, &passwd, &ids, &USER.to_string()]).arg(home);
    command.arg(env!("CARGO_BIN_EXE_shipsmith")).args(arguments);
    ground.environment().confine(&mut command);
    ended(&mut command)
}

/// Runs the program as root with what a pod's root may do by default.
fn pod(ground: &Ground, arguments: &[String]) -> Ended {
    let kept = "+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,\
                +mknod,+audit_write,+setfcap";
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", &format!("-all,{kept}"), "--inh-caps=-all"]);
    command.arg(env!("CARGO_BIN_EXE_shipsmith")).args(arguments);
    ground.environment().confine(&mut command);
    ended(&mut command)
}

/// What stands in for our own last steps at level root.
const RUNTIMES: [&str; 2] = ["crun", "runc"];

/// A build at a level, or through a runtime.
fn at(ground: &Ground, level: &str, dockerfile: &str, flags: &[&str]) -> Ended {
    let how = if RUNTIMES.contains(&level) { "runtime" } else { "isolation" };
    let how = format!("--{how}={level}");
    let arguments = ground.arguments(dockerfile, &[&[&how[..]], flags].concat());
    match level {
        "root" | "crun" | "runc" => ground.environment().run(arguments),
        "chroot" => pod(ground, &arguments),
        other => ordinary(ground, other, &arguments),
    }
}

/// A promise, what a step does to test it (it must succeed), and the levels that make it.
const PROMISES: [(&str, &str, &[&str]); 12] = [
    ("root of its own", "test $(id -u) = 0", &["root", "subuid", "single-id", "chroot"]),
    (
        "files of any owner",
        "touch /f && ln -s f /l && chown app:staff /f && chown -h 5:6 /l && test \"$(stat -c %u:%g /f /l | xargs)\" = '1000:50 5:6'",
        &["root", "subuid", "single-id", "chroot"],
    ),
    (
        "set-id bits",
        "touch /f && chmod 6755 /f && test $(stat -c %a /f) = 6755",
        &["root", "subuid", "single-id", "chroot"],
    ),
    (
        "other users",
        "mkdir -m 777 /w; busybox su app -s /bin/sh -c 'touch /w/x && test $(id -u) = 1000' && test $(stat -c %u /w/x) = 1000",
        &["root", "subuid", "single-id"],
    ),
    ("its own processes only", "test $(ls /proc | grep -c '^[0-9]') -lt 12", &["root", "subuid", "single-id"]),
    ("its own host name", "test $(hostname) = buildkitsandbox", &["root", "subuid", "single-id"]),
    (
        "a read-only kernel",
        "! (: >> /proc/sys/kernel/core_pattern) 2>/dev/null && ! (: >> /proc/sysrq-trigger) 2>/dev/null",
        &["root", "subuid", "single-id"],
    ),
    ("no mounting", "mkdir /m; ! mount -t tmpfs t /m 2>/dev/null", &["root", "subuid", "single-id", "chroot"]),
    ("no namespaces", "! unshare -U true 2>/dev/null", &["root", "subuid", "single-id"]),
    ("a system call filter", "grep -q '^Seccomp:.2' /proc/self/status", &["root", "subuid", "single-id"]),
    ("nothing of the host's files", "! cat CANARY 2>/dev/null", &["root", "subuid", "single-id", "chroot"]),
    (
        "device nodes that work",
        "echo x > /dev/null && test $(head -c 3 /dev/zero | wc -c) = 3",
        &["root", "subuid", "single-id", "chroot"],
    ),
];

/// What has to be installed for it.
fn program(level: &str) -> &str {
    if RUNTIMES.contains(&level) { level } else { "sh" }
}

fn keeps_its_promises(level: &str) {
    let Some(ground) = Ground::new() else { return };
    let (Some(_), Some(_)) = (require("setpriv"), require(program(level))) else { return };
    let promised = if RUNTIMES.contains(&level) { "root" } else { level };
    let canary = ground.canary().join("file");
    fs::set_permissions(&canary, fs::Permissions::from_mode(0o644)).expect("ours");
    let mut broken = Vec::new();
    for (promise, script, levels) in PROMISES {
        if !levels.contains(&promised) {
            continue;
        }
        let script = script.replace("CANARY", &canary.display().to_string());
        let ended = at(&ground, level, &format!("FROM base\nRUN {script}\n"), &["--no-cache"]);
        assert!(!ended.stderr.contains(CANARY), "{}", ended.stderr);
        if ended.code != Some(0) {
            broken.push(format!("{promise}: {}", ended.stderr));
        }
    }
    assert!(broken.is_empty(), "{level}:\n{}", broken.join("\n"));
}

#[test]
fn root_keeps_its_promises() {
    keeps_its_promises("root");
}

#[test]
fn subordinate_ids_keep_their_promises() {
    keeps_its_promises("subuid");
}

#[test]
fn a_single_id_keeps_its_promises() {
    keeps_its_promises("single-id");
}

#[test]
fn chroot_keeps_its_promises() {
    keeps_its_promises("chroot");
}

#[test]
fn crun_keeps_the_promises_of_root() {
    keeps_its_promises("crun");
}

#[test]
fn runc_keeps_the_promises_of_root() {
    keeps_its_promises("runc");
}

/// What a runtime is told is what we do ourselves: mounts, secrets, users, directories, limits, networks, failures.
#[test]
fn a_runtime_gives_a_command_the_same_world() {
    let step = "FROM base\nENV A=b\nWORKDIR /srv/new\nCOPY <<EOF /in/file\nx\nEOF\n\
         RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --mount=type=secret,id=s --mount=type=bind,source=/,target=/b \
         --network=none test \"$A$PWD$HOME\" = b/srv/new/root && touch /c/x /t/x && test $(wc -c < /run/secrets/s) = 6 && ! touch /b/x && \
         test $(ulimit -n) = 123 && test $(ls /sys/class/net) = lo && grep -q buildkitsandbox /etc/hosts && touch done\n\
         USER app\nRUN id > /tmp/id && test $(id -u) = 1000 && echo out && echo err >&2\nRUN exit 7\n";
    for runtime in RUNTIMES {
        let (Some(ground), Some(_)) = (Ground::new(), require(runtime)) else { return };
        let secret = ground.environment().write("secret", "hidden");
        let secret = format!("--secret=id=s,src={}", secret.display());
        let ended = at(&ground, runtime, step, &[&secret, "--ulimit=nofile=123"]);
        assert_eq!(ended.code, Some(1), "{runtime}: {}", ended.stderr);
        assert!(
            ended.stderr.contains("exit code: 7") && !ended.stderr.contains("hidden"),
            "{runtime}: {}",
            ended.stderr
        );
        assert!(ended.stderr.contains(" out\n") && ended.stderr.contains(" err\n"), "{runtime}: {}", ended.stderr);
        ground.is_clean();
    }
}

#[test]
fn a_runtime_is_for_root_and_must_be_there() {
    let (Some(ground), Some(_)) = (Ground::new(), require("crun")) else { return };
    let arguments = ground.arguments("FROM base\nRUN true\n", &["--runtime=crun"]);
    let ended = ordinary(&ground, "single-id", &arguments);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("crun is used at isolation level root only"), "{}", ended.stderr);
    let ended = ground.build("FROM base\nRUN true\n", &["--runtime=crunch"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("did you mean \"crun\"?"), "{}", ended.stderr);
}

/// The same layer, bit for bit, whoever made it.
#[test]
fn every_level_makes_the_same_layer() {
    let step = "FROM base\nRUN mkdir -p /d/e && echo x > /d/f && chown -R app:staff /d && chmod 4711 /d/f && ln /d/f /d/g && \
         rm -r /tmp && ln -s x /d/l && mkfifo /d/p && chown -h 7:8 /d/l /d/p && rm -r /home && mkdir -m 700 /home && \
         mkdir -m 777 /tmp && chown :staff /tmp && chmod g+s /tmp && touch -d '2001-02-03 04:05:06' /d/f\n\
         USER app\nRUN umask 077 && mkdir /tmp/m && echo y > /tmp/m/n && ln -s n /tmp/m/o && cp /etc/passwd /tmp/p\n";
    let digest = |level: &str| {
        let ground = Ground::new()?;
        let ended = at(&ground, level, step, &["--metadata-file=meta.json"]);
        assert_eq!(ended.code, Some(0), "{level}: {}", ended.stderr);
        let meta: serde_json::Value = serde_json::from_str(&ground.environment().read("meta.json")).expect("JSON");
        Some(meta["containerimage.digest"].as_str().expect("a digest").to_owned())
    };
    let Some(root) = digest("root") else { return };
    for level in ["subuid", "single-id", "chroot", "crun", "runc"] {
        assert_eq!(digest(level).as_ref(), Some(&root), "{level}");
    }
}

/// An ordinary user is told of the level, and nothing weaker is ever taken by itself.
#[test]
fn what_is_not_available_is_refused_with_the_setting_that_would_help() {
    let Some(ground) = Ground::new() else { return };
    let dockerfile = "FROM base\nRUN true\n";
    let arguments = ground.arguments(dockerfile, &["--isolation=root"]);
    let ended = ordinary(&ground, "single-id", &arguments);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("root"), "{}", ended.stderr);
    let arguments = ground.arguments(dockerfile, &["--isolation=subuid"]);
    let ended = ordinary(&ground, "single-id", &arguments);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("/etc/subuid"), "{}", ended.stderr);
}

/// One line for each level, with the setting that would give more.
#[test]
fn the_doctor_says_what_there_is_and_what_would_help() {
    let Some(ground) = Ground::new() else { return };
    let arguments = ["doctor".to_owned()];
    let root = ground.environment().ok(["doctor"]);
    assert!(root.contains("root       available, overlays  <- what RUN uses"), "{root}");
    let subuid = ordinary(&ground, "subuid", &arguments).stdout;
    assert!(subuid.contains("subuid     available, overlays  <- what RUN uses"), "{subuid}");
    assert!(subuid.contains("root       missing: ") && subuid.contains("privileged: true"), "{subuid}");
    let single = ordinary(&ground, "single-id", &arguments).stdout;
    assert!(single.contains("single-id  available, overlays  <- what RUN uses"), "{single}");
    assert!(single.contains("subuid     missing: ") && single.contains("/etc/subuid"), "{single}");
    let Some(fresh) = Ground::new() else { return };
    let pod = pod(&fresh, &arguments).stdout;
    assert!(pod.contains("  chroot     available"), "{pod}");
    assert!(pod.contains("root has no CAP_SYS_ADMIN here"), "{pod}");
}

/// As docs/isolation.md says: the host's network has the host's rules.
#[test]
fn low_ports_are_an_ordinary_users_in_a_network_of_its_own() {
    let Some(ground) = Ground::new() else { return };
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").expect("a setting");
    let guarded = first.trim().parse::<u32>().expect("a port") > 81;
    for level in ["subuid", "single-id"] {
        let flags = ["--no-cache"];
        let own = at(&ground, level, "FROM base\nRUN --network=none busybox httpd -p 81 -h /\n", &flags);
        assert_eq!(own.code, Some(0), "{level}: {}", own.stderr);
        let hosts = at(&ground, level, "FROM base\nRUN busybox httpd -p 81 -h /\n", &flags);
        assert_eq!(hosts.code == Some(1), guarded, "{level}: {}", hosts.stderr);
    }
}
