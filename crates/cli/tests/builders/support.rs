//! What the tests share: builders, a registry with a base that has a shell, and a place to build in.

use std::fs::File;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use testkit::canonical::{self, CanonicalImage};
use testkit::engines::Docker;
use testkit::environment::Environment;
use testkit::fixtures::busybox_base;
use testkit::registry_server::RegistryServer;
use testkit::tools::{Tool, as_root, find};

/// Where the installed programs are.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How long a daemon may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A place to build in, and a registry that has `base`, an image with a shell.
pub(crate) struct Ground {
    pub(crate) environment: Environment,
    pub(crate) registry: RegistryServer,
}

impl Ground {
    /// `None` means: skip this test; the reason is already printed.
    pub(crate) fn new() -> Option<Self> {
        let (base, registry) = (busybox_base()?, RegistryServer::start()?);
        base.push(registry.address(), "base:latest")?;
        as_root().then(|| Self { environment: Environment::new(env!("CARGO_BIN_EXE_shipsmith")), registry })
    }

    /// The base's name.
    pub(crate) fn base(&self) -> String {
        format!("{}/base", self.registry.address())
    }

    /// Writes `app/Dockerfile`, in which BASE stands for the base's name, and a file beside it.
    pub(crate) fn app(&self, dockerfile: &str) {
        self.environment.write("app/Dockerfile", dockerfile.replace("BASE", &self.base()));
        self.environment.write("app/file", "content\n");
    }

    /// Builds `app` with these flags, and says what it said.
    pub(crate) fn builds(&self, flags: &[&str]) -> String {
        let ended = self.environment.run(["build", "--progress=plain"].iter().chain(flags).chain(&["app"]));
        assert_eq!(ended.code, Some(0), "{flags:?}\n{}", ended.stderr);
        ended.stderr
    }

    /// What a build of `app` that fails said.
    pub(crate) fn fails(&self, flags: &[&str]) -> String {
        let ended = self.environment.run(["build", "--progress=plain"].iter().chain(flags).chain(&["app"]));
        assert!(matches!(ended.code, Some(1..=4)), "{flags:?}\n{}", ended.stderr);
        ended.stderr
    }

    /// The image of `app`, with these flags.
    pub(crate) fn image(&self, flags: &[&str]) -> CanonicalImage {
        self.builds(&[flags, &["-o", "type=oci,dest=image.tar"]].concat());
        let images = canonical::read_images(&self.environment.path("image.tar")).expect("an archive");
        images.into_values().next().expect("an image")
    }
}

/// A Docker engine, and the address of the builder in it.
pub(crate) struct Engine {
    pub(crate) docker: Docker,
    pub(crate) builder: String,
}

impl Engine {
    /// `None` means: skip this test; the reason is already printed.
    pub(crate) fn start() -> Option<Self> {
        let docker = Docker::start()?;
        let builder = format!("docker://{}", socket(docker.host()).display());
        Some(Self { docker, builder })
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        socket(self.docker.host()).to_owned()
    }
}

fn socket(host: &str) -> &Path {
    Path::new(host.strip_prefix("unix://").expect("the engine is at a socket"))
}

/// A current buildkitd of one's own.
pub(crate) struct Daemon {
    child: Child,
    directory: tempfile::TempDir,
    program: Tool,
    client: Tool,
    flags: Vec<String>,
}

impl Daemon {
    /// With more flags. `None` where none is installed: no distribution has a current one.
    #[expect(clippy::print_stderr, reason = "a skipped test says why, under the test runner's capture")]
    pub(crate) fn start(flags: &[&str]) -> Option<Self> {
        let (Some(program), Some(client)) = (find("buildkitd"), find("buildctl")) else {
            eprintln!("skipped: no buildkitd is installed");
            return None;
        };
        // A short path: sockets are below it.
        let directory = tempfile::Builder::new().prefix("bk").tempdir_in("/tmp").expect("a temporary directory");
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let child = begin(&program, directory.path(), &flags);
        let this = Self { child, directory, program, client, flags };
        this.wait();
        Some(this)
    }

    /// The same, killed and begun again.
    pub(crate) fn killed(mut self) -> Self {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
        self.child = begin(&self.program, self.directory.path(), &self.flags);
        self.wait();
        self
    }

    fn wait(&self) {
        let begun = Instant::now();
        while !self.client.output(["--addr", &self.address(), "debug", "workers"]).status.success() {
            assert!(begun.elapsed() < PATIENCE, "buildkitd does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub(crate) fn address(&self) -> String {
        address(self.directory.path())
    }
}

fn begin(program: &Tool, directory: &Path, flags: &[String]) -> Child {
    let log = File::create(directory.join("log")).expect("it is ours");
    let mut command = program.command();
    command.arg("--root").arg(directory.join("root")).arg("--addr").arg(address(directory));
    command.args(["--allow-insecure-entitlement", "network.host"]).args(flags);
    command.stdout(Stdio::null()).stderr(log).spawn().expect("buildkitd can be started")
}

fn address(directory: &Path) -> String {
    format!("unix://{}/sock", directory.display())
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        // What one that was killed left mounted would keep its directory from being removed.
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for place in places.filter(|place| Path::new(place).starts_with(self.directory.path())) {
            let _ = Command::new("umount").args(["--lazy", place]).status();
        }
    }
}

/// A socket that leads to another one until it is cut.
pub(crate) struct Wire {
    directory: tempfile::TempDir,
    open: Arc<Mutex<Option<Vec<UnixStream>>>>,
}

impl Wire {
    pub(crate) fn to(socket: PathBuf) -> Self {
        let directory = tempfile::Builder::new().prefix("wire").tempdir_in("/tmp").expect("a temporary directory");
        let listener = UnixListener::bind(directory.path().join("sock")).expect("the path is free");
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let kept = Arc::clone(&open);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = UnixStream::connect(&socket).expect("the other end listens");
                match &mut *kept.lock().expect("nobody panics") {
                    Some(open) => open.extend([&client, &server].map(|one| one.try_clone().expect("a handle"))),
                    None => return,
                }
                pass(&client, &server);
                pass(&server, &client);
            }
        });
        Self { directory, open }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("sock")
    }

    /// Ends all connections, and those that come.
    pub(crate) fn cut(&self) {
        for stream in self.open.lock().expect("nobody panics").take().into_iter().flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass(from: &UnixStream, to: &UnixStream) {
    let (mut from, mut to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// A port of this machine that leads to a socket.
pub(crate) fn tcp_to(socket: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = UnixStream::connect(&socket).expect("the other end listens");
            let handles = || (client.try_clone().expect("a handle"), server.try_clone().expect("a handle"));
            let ((mut from, mut to), (mut there, mut back)) = (handles(), handles());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut back, &mut there);
                let _ = there.shutdown(Shutdown::Write);
            });
        }
    });
    address
}

/// A program of a name, which does what the script says.
pub(crate) fn stand_in(environment: &Environment, name: &str, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = environment.path(&format!("bin/{name}"));
    std::fs::create_dir_all(path.parent().expect("it has one")).expect("it is ours");
    let mut file = File::create(&path).expect("it is ours");
    file.write_all(format!("#!/bin/sh\n{script}\n").as_bytes()).expect("it is ours");
    file.set_permissions(std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    path.parent().expect("it has one").to_owned()
}
