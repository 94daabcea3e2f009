//! Container engines: the one that `DOCKER_HOST` names or a `dockerd` of our own, and a podman with its own storage.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::tools::{Captured, Tool, find, find_all, in_ci, require, run};

/// How long a daemon may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Docker engine.
pub struct Docker {
    client: Tool,
    host: String,
    _daemon: Option<Daemon>,
}

impl Docker {
    /// `None` means: skip this test; the reason is already printed.
    pub fn start() -> Option<Self> {
        let client = require("docker")?;
        if let Some(host) = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()) {
            return Some(Self { client, host, _daemon: None });
        }
        Some(Self::begin(client, &require("dockerd")?))
    }

    /// An engine of one's own, whose images nobody else sees, and a client that builds with the engine's BuildKit by itself:
    /// since 23.0 that takes a plugin. `None` as with [`Docker::start`].
    ///
    /// # Panics
    /// As [`require`].
    #[must_use]
    pub fn builder() -> Option<Self> {
        let daemon = require("dockerd")?;
        let old = |client: &Tool| {
            let major = client
                .run(["--version"])
                .text()
                .split(' ')
                .nth(2)
                .and_then(|text| text.split('.').next()?.parse().ok());
            major.is_some_and(|major: u32| (18..23).contains(&major))
        };
        let client = find_all("docker").into_iter().find(old);
        assert!(client.is_some() || !in_ci(), "no docker builds by itself, and CI must test everything");
        Some(Self::begin(client?, &daemon))
    }

    fn begin(client: Tool, daemon: &Tool) -> Self {
        let daemon = Daemon::start(daemon);
        let docker = Self { client, host: daemon.host(), _daemon: Some(daemon) };
        docker.wait();
        docker
    }

    /// What `DOCKER_HOST` is for it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// A `docker` that has still to be run.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.client.command();
        command.args(arguments).env("DOCKER_HOST", &self.host).env_remove("DOCKER_CONTEXT");
        command
    }

    /// What `docker` prints.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, arguments: &[&str]) -> Captured {
        run(&mut self.command(arguments))
    }

    /// What a container prints.
    pub fn container(&self, image: &str, arguments: &[&str]) -> String {
        let start = ["run", "--rm", "--network=none", image];
        self.run(&[start.as_slice(), arguments].concat()).text()
    }

    /// Forgets an image, so that the engine of a whole CI run is left as it was.
    pub fn forget(&self, image: &str) {
        self.run(&["rmi", "--force", image]);
    }

    fn wait(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.command(&["version"]).output().is_ok_and(|output| output.status.success()) {
            assert!(Instant::now() < deadline, "dockerd did not start");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// A `dockerd` that shares nothing with the system's.
struct Daemon {
    child: Child,
    directory: TempDir,
}

impl Daemon {
    fn start(program: &Tool) -> Self {
        // A short path: sockets are below it.
        let directory = tempfile::Builder::new().prefix("e2e").tempdir_in("/tmp").expect("a temporary directory");
        let path = |name: &str| directory.path().join(name);
        let log = File::create(path("log")).expect("the directory is ours");
        let mut command = program.command();
        command.arg("--data-root").arg(path("data")).arg("--exec-root").arg(path("exec"));
        command.arg("--pidfile").arg(path("pid")).arg("--host").arg(format!("unix://{}", path("sock").display()));
        command.args(["--bridge=none", "--iptables=false"]);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("dockerd can be started");
        Self { child, directory }
    }

    fn host(&self) -> String {
        format!("unix://{}", self.directory.path().join("sock").display())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It takes its own children with it only when it is asked to end.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        unmount(self.directory.path());
    }
}

/// Podman with storage of its own.
pub struct Podman {
    program: Tool,
    directory: TempDir,
}

impl Podman {
    /// `None` means: skip this test; the reason is already printed.
    pub fn start() -> Option<Self> {
        let program = require("podman")?;
        let directory = tempfile::Builder::new().prefix("e2e").tempdir_in("/tmp").expect("a temporary directory");
        let root = directory.path().display();
        let driver = driver(directory.path());
        let text =
            format!("[storage]\ndriver = \"{driver}\"\ngraphroot = \"{root}/graph\"\nrunroot = \"{root}/run\"\n");
        std::fs::write(directory.path().join("storage.conf"), text).expect("the directory is ours");
        Some(Self { program, directory })
    }

    /// What `CONTAINERS_STORAGE_CONF` is for it.
    pub fn configuration(&self) -> PathBuf {
        self.directory.path().join("storage.conf")
    }

    /// What another program over the same storage prints: `podman`, `buildah`.
    pub fn beside(&self, program: &Tool, arguments: &[&str]) -> Captured {
        run(program.command().args(arguments).env("CONTAINERS_STORAGE_CONF", self.configuration()))
    }

    /// What `podman` prints.
    pub fn run(&self, arguments: &[&str]) -> Captured {
        self.beside(&self.program, arguments)
    }

    /// What a container prints. With runc where there is one: crun refuses the hybrid cgroups of many machines. Limits
    /// are given, as raising them needs a capability that containers of CI systems lack.
    pub fn container(&self, image: &str, arguments: &[&str]) -> String {
        let runtime: &[&str] = if find("runc").is_some() { &["--runtime=runc"] } else { &[] };
        let limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
        let start = ["--cgroup-manager=cgroupfs", "run", "--rm", "--network=none"];
        self.run(&[runtime, &start, &limits, &[image], arguments].concat()).text()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        unmount(self.directory.path());
    }
}

/// The quickest way to keep images below `directory`: overlays do not lie on overlays, copies do everywhere.
fn driver(directory: &Path) -> &'static str {
    let kind = run(Command::new("stat").args(["--file-system", "--format=%T"]).arg(directory)).text();
    if kind == "overlayfs" { "vfs" } else { "overlay" }
}

/// What engines leave mounted would keep their directory from being removed.
fn unmount(below: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    for place in places.filter(|place| Path::new(place).starts_with(below)) {
        let _ = Command::new("umount").args(["--lazy", place]).status();
    }
}
