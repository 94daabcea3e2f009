//! A small root file system, and running things over it.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of this")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use shipsmith_sandbox::{Error, Network, Process, Ran, Sandbox, Spec, Stack, Stop, Stream, Times};

/// Where Debian's `busybox-static` is.
const BUSYBOX: [&str; 2] = ["/usr/bin/busybox", "/bin/busybox"];
const APPLETS: [&str; 46] = [
    "sh", "ls", "cat", "echo", "id", "touch", "mkdir", "rm", "mv", "cp", "ln", "chmod", "chown", "mknod", "stat",
    "sleep", "env", "true", "false", "kill", "mount", "umount", "hostname", "ps", "grep", "sed", "head", "wc",
    "readlink", "pwd", "dd", "df", "ip", "nc", "nslookup", "ping", "test", "tr", "cut", "sort", "find", "setsid",
    "chroot", "awk", "sync", "seq",
];

/// Layers, a place for scratch directories, and the sandbox to use; all of it goes when dropped.
pub struct Ground {
    pub dir: tempfile::TempDir,
    pub sandbox: Sandbox,
    count: Mutex<usize>,
}

/// What a command did.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub output: String,
    pub errors: String,
    pub exit: String,
    pub layer: Vec<u8>,
}

impl Ground {
    pub fn new(sandbox: impl FnOnce(&Path) -> Sandbox) -> Ground {
        let dir = tempfile::Builder::new().prefix("sandbox").tempdir_in(place()).expect("temporary directory");
        let sandbox = sandbox(dir.path());
        let ground = Ground { dir, sandbox, count: Mutex::new(0) };
        fill(&ground.layer());
        ground
    }

    /// The tree of the only layer.
    pub fn layer(&self) -> PathBuf {
        self.dir.path().join("layer")
    }

    pub fn stack(&self, lower: Vec<PathBuf>) -> Stack {
        let mut count = self.count.lock().expect("a number");
        *count += 1;
        let scratch = self.dir.path().join(format!("scratch{count}"));
        fs::create_dir(&scratch).expect("scratch");
        Stack { lower, scratch }
    }

    /// `sh -c` as root, with nothing special.
    pub fn spec(&self, script: &str) -> Spec {
        let args = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        Spec {
            stack: self.stack(vec![self.layer()]),
            process: Process {
                args,
                env: vec![("PATH".into(), "/bin".into())],
                directory: "/".into(),
                uid: 0,
                gid: 0,
                groups: Vec::new(),
            },
            mounts: Vec::new(),
            network: Network::Host,
            privileged: false,
            hostname: "buildkitsandbox".into(),
            hosts: b"127.0.0.1\tlocalhost buildkitsandbox\n".to_vec(),
            resolv_conf: b"nameserver 192.0.2.1\n".to_vec(),
            shm_size: 64 << 20,
            ulimits: Vec::new(),
            cgroup_parent: None,
            times: Times::Made { seconds: 315_619_200 },
            runtime: None,
            owners: None,
        }
    }

    pub fn try_run(&self, spec: &Spec) -> Result<Outcome, Error> {
        self.run_until(spec, &Stop::new().expect("a switch"))
    }

    pub fn run_until(&self, spec: &Spec, stop: &Stop) -> Result<Outcome, Error> {
        let mut outcome =
            Outcome { code: 0, output: String::new(), errors: String::new(), exit: String::new(), layer: Vec::new() };
        let mut output = |stream, bytes: &[u8]| match stream {
            Stream::Output => outcome.output.push_str(&String::from_utf8_lossy(bytes)),
            Stream::Error => outcome.errors.push_str(&String::from_utf8_lossy(bytes)),
        };
        let ran = self.sandbox.run(spec, &mut output, stop)?;
        match ran {
            Ran::Failed(exit) => {
                outcome.code = exit.code();
                outcome.exit = exit.to_string();
            }
            Ran::Done(mut changes) => {
                std::io::Read::read_to_end(&mut changes, &mut outcome.layer).expect("the layer");
                changes.finish()?;
            }
        }
        Ok(outcome)
    }

    pub fn run(&self, spec: &Spec) -> Outcome {
        self.try_run(spec).unwrap_or_else(|error| panic!("{error}; {:?}", error.hint()))
    }

    pub fn sh(&self, script: &str) -> Outcome {
        self.run(&self.spec(script))
    }

    /// What a command writes, which has to succeed.
    pub fn answer(&self, script: &str) -> String {
        let outcome = self.sh(script);
        assert_eq!(outcome.code, 0, "{script}: {outcome:?}");
        outcome.output.trim_end().to_owned()
    }
}

impl Outcome {
    /// What is in the layer.
    pub fn entries(&self) -> Vec<layer::Entry> {
        let mut reader = layer::tar::Reader::new(&self.layer[..], layer::tar::Dialect::Layer);
        std::iter::from_fn(|| reader.next_entry().expect("a layer")).collect()
    }

    /// The paths in the layer; of what was removed, with a mark.
    pub fn paths(&self) -> Vec<String> {
        let path = |entry: &layer::Entry| String::from_utf8_lossy(entry.path.as_bytes()).into_owned();
        let mark = |entry: &layer::Entry| if entry.is_whiteout() { "!" } else { "" };
        self.entries().iter().map(|entry| format!("{}{}", mark(entry), path(entry))).collect()
    }

    /// User and group of what lies at a path.
    pub fn owner(&self, path: &str) -> Option<(u32, u32)> {
        let entries = self.entries();
        entries.iter().find(|entry| entry.path.as_bytes() == path.as_bytes()).map(|entry| (entry.uid, entry.gid))
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        for entry in fs::read_dir(self.dir.path()).into_iter().flatten().flatten() {
            let removed = self.sandbox.remove(&entry.path());
            assert!(removed.is_ok() || std::thread::panicking(), "left behind: {removed:?}");
        }
    }
}

/// Set where a test runs as an ordinary user: a directory of that user's.
const PLACE: &str = "SANDBOX_TEST_PLACE";

/// Not /tmp where that is in memory: overlays want a file system with extended attributes.
fn place() -> PathBuf {
    std::env::var_os(PLACE).map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from)
}

/// Runs a test again as root of a container that Docker starts: with the capabilities that it gives.
pub fn as_root_of_a_pod(test: &str, body: impl FnOnce()) {
    if std::env::var_os(PLACE).is_some() {
        return body();
    }
    let dir = tempfile::tempdir_in(place()).expect("a directory");
    let kept = "-all,+chown,+dac_override,+fsetid,+fowner,+mknod,+net_raw,+setgid,+setuid,+setfcap,+setpcap,\
                +net_bind_service,+sys_chroot,+kill,+audit_write";
    let status = std::process::Command::new("setpriv")
        .args(["--bounding-set", kept, "--inh-caps=-all", "--"])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture"])
        .env(PLACE, dir.path())
        .status();
    assert!(status.expect("setpriv").success(), "{test} failed with few capabilities");
}

/// Runs a test again where its files lie on an overlay, on which no other can be mounted, as in a container.
pub fn on_an_overlay(test: &str, body: impl FnOnce()) {
    if std::env::var_os(PLACE).is_some() {
        return body();
    }
    let dir = tempfile::tempdir_in(place()).expect("a directory");
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir(dir.path().join(name)).expect("directory");
    }
    let script = "cd $DIR && mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged && \
                  exec \"$0\" --exact $TEST --nocapture";
    let status = std::process::Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script])
        .arg(std::env::current_exe().expect("this program"))
        .env("DIR", dir.path())
        .env("TEST", test)
        .env(PLACE, dir.path().join("merged"))
        .status();
    assert!(status.expect("unshare").success(), "{test} failed on an overlay");
}

/// Whether a process with these arguments is there.
pub fn is_running(args: &[&str]) -> bool {
    let line: Vec<u8> = args.iter().flat_map(|arg| [arg.as_bytes(), b"\0"].concat()).collect();
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok()).any(|command| command == line)
}

/// Runs a test again as an ordinary user, who has subordinate ids. The machine's own users and files stay as they are: the lines
/// are mounted over `/etc/subuid` and `/etc/subgid` where nobody else sees it.
pub fn as_user(test: &str, body: impl FnOnce()) {
    if std::env::var_os(PLACE).is_some() || !is_root() {
        return body();
    }
    let dir = tempfile::tempdir_in(place()).expect("a directory");
    let (lines, home) = (dir.path().join("lines"), dir.path().join("home"));
    fs::write(&lines, "daemon:200000:65536\n").expect("lines");
    fs::create_dir(&home).expect("home");
    fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
    std::os::unix::fs::chown(&home, Some(1), Some(1)).expect("owner");
    let script = "mount --bind $LINES /etc/subuid && mount --bind $LINES /etc/subgid && \
                  exec setpriv --reuid=1 --regid=1 --clear-groups \"$0\" --exact $TEST --nocapture";
    let status = std::process::Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script])
        .arg(std::env::current_exe().expect("this program"))
        .env("LINES", &lines)
        .env("TEST", test)
        .env(PLACE, &home)
        .status();
    assert!(status.expect("unshare and setpriv").success(), "{test} failed as an ordinary user");
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn fill(root: &Path) {
    for name in ["bin", "etc", "tmp", "root", "proc", "sys", "dev", "home/user"] {
        fs::create_dir_all(root.join(name)).expect("directory");
    }
    let busybox = BUSYBOX.iter().find(|path| Path::new(path).exists()).expect("install busybox-static");
    fs::copy(busybox, root.join("bin/busybox")).expect("busybox");
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet)).expect("applet");
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n")
        .expect("passwd");
    fs::write(root.join("etc/group"), "root:x:0:\nuser:x:1000:\n").expect("group");
}
