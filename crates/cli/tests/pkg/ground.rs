//! What the tests share: a git repository with packages, and a registry behind a proxy that counts.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use testkit::environment::{Ended, Environment, ended};
use testkit::faulty_proxy::FaultyProxy;
use testkit::registry_server::RegistryServer;
use testkit::tools::{Tool, require};

/// A repository in the environment's working directory.
pub(crate) struct Ground {
    pub(crate) environment: Environment,
}

impl Ground {
    /// An empty repository. `None` means: skip this test; the reason is already printed.
    pub(crate) fn new() -> Option<Self> {
        require("git")?;
        let environment = Environment::new(env!("CARGO_BIN_EXE_shipsmith"));
        let ground = Self { environment };
        ground.git(["init", "-q", "-b", "main", "repo"]);
        ground.in_repo(["config", "user.email", "a@example.org"]);
        ground.in_repo(["config", "user.name", "A"]);
        Some(ground)
    }

    /// A repository with the committed package `a`.
    pub(crate) fn with_package() -> Option<Self> {
        let ground = Self::new()?;
        ground.package("a", "arches: [amd64, arm64]\n");
        ground.commit("first");
        Some(ground)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.environment.path("repo").join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        self.environment.write(&format!("repo/{name}"), content);
    }

    /// A package that is a file copied from its context.
    pub(crate) fn package(&self, directory: &str, yml: &str) {
        let image = directory.rsplit('/').next().expect("a name").replace(' ', "-");
        self.write(&format!("{directory}/build.yml"), &format!("image: {image}\n{yml}"));
        self.write(&format!("{directory}/Dockerfile"), "FROM scratch\nCOPY . /\n");
        self.write(&format!("{directory}/content"), &format!("content of {directory}\n"));
    }

    pub(crate) fn commit(&self, message: &str) {
        self.in_repo(["add", "-A"]);
        self.in_repo(["commit", "-q", "-m", message]);
    }

    fn git<const N: usize>(&self, arguments: [&str; N]) -> String {
        let mut command = Command::new("git");
        self.environment.confine(&mut command);
        command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "protocol.file.allow");
        let result = ended(command.env("GIT_CONFIG_VALUE_0", "always").args(arguments));
        assert_eq!(result.code, Some(0), "{arguments:?}: {}", result.stderr);
        result.stdout
    }

    /// What git says in the repository.
    pub(crate) fn in_repo<const N: usize>(&self, arguments: [&str; N]) -> String {
        self.in_dir("repo", arguments)
    }

    /// What git says in a directory below the working directory.
    pub(crate) fn in_dir<const N: usize>(&self, directory: &str, arguments: [&str; N]) -> String {
        let mut command = Command::new("git");
        self.environment.confine(&mut command);
        command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "protocol.file.allow");
        command.env("GIT_CONFIG_VALUE_0", "always").arg("-C").arg(self.environment.path(directory));
        let result = ended(command.args(arguments));
        assert_eq!(result.code, Some(0), "{arguments:?}: {}", result.stderr);
        result.stdout
    }

    /// The hash that git has for a path of the checked out commit.
    pub(crate) fn tree(&self, path: &str) -> String {
        let line = self.in_repo(["ls-tree", "--full-tree", "HEAD", "--", path]);
        line.split_whitespace().nth(2).unwrap_or_else(|| panic!("git knows no {path}")).to_owned()
    }

    /// The tag of a package, with flags.
    pub(crate) fn tag(&self, path: &str, flags: &[&str]) -> String {
        let path = self.path(path).display().to_string();
        let said = self.environment.ok(["pkg", "show-tag", &path].iter().chain(flags));
        said.rsplit_once(':').expect("a tag").1.to_owned()
    }

    /// Runs `shipsmith pkg COMMAND PATH FLAGS`.
    pub(crate) fn pkg(&self, command: &str, path: &str, flags: &[&str]) -> Ended {
        let path = self.path(path).display().to_string();
        self.environment.run(["pkg", command, &path, "--progress=plain"].iter().chain(flags))
    }

    /// What it said on standard error, having ended well.
    pub(crate) fn ok(&self, command: &str, path: &str, flags: &[&str]) -> String {
        let result = self.pkg(command, path, flags);
        assert_eq!(result.code, Some(0), "{command} {path} {flags:?}: {}", result.stderr);
        result.stderr
    }

    /// What it said on standard error, having failed.
    pub(crate) fn refused(&self, command: &str, path: &str, flags: &[&str]) -> String {
        let result = self.pkg(command, path, flags);
        assert!(matches!(result.code, Some(1..=4)), "{command} {path} {flags:?}: {result:?}");
        result.stderr
    }
}

/// Another machine: the same repository, another store.
pub(crate) fn elsewhere(ground: &Ground) -> String {
    let store = tempfile::tempdir_in(ground.environment.work()).expect("a temporary directory");
    format!("--store={}", store.keep().join("store").display())
}

/// A registry behind a proxy, and the tool that looks into it.
pub(crate) struct Remote {
    pub(crate) server: RegistryServer,
    pub(crate) proxy: FaultyProxy,
    skopeo: Tool,
}

impl Remote {
    /// `None` means: skip this test; the reason is already printed.
    pub(crate) fn start() -> Option<Self> {
        let (skopeo, server) = (require("skopeo")?, RegistryServer::start()?);
        let proxy = FaultyProxy::start(server.address());
        Some(Self { server, proxy, skopeo })
    }

    /// `--org` for packages of this registry.
    pub(crate) fn org(&self) -> String {
        format!("--org={}/org", self.proxy.address())
    }

    /// How many requests came so far, and how many of them were more than a question.
    pub(crate) fn requests(&self) -> (usize, usize) {
        let seen = self.proxy.seen();
        let asked = |target: &str| target == "/v2/" || target.starts_with("/v2/?");
        let more = seen.iter().filter(|seen| seen.method != "HEAD" && !asked(&seen.target));
        (seen.len(), more.count())
    }

    /// The manifest or index under `org/NAME`, if there is one.
    pub(crate) fn manifest(&self, name: &str) -> Option<Value> {
        let name = format!("docker://{}/org/{name}", self.server.address());
        let output = self.skopeo.output(["inspect", "--raw", "--tls-verify=false", &name]);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    /// The architectures that an index lists.
    pub(crate) fn arches(&self, name: &str) -> Vec<String> {
        let index = self.manifest(name).unwrap_or_default();
        let entries = index["manifests"].as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["platform"]["architecture"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Proves that all of an image is there, for every platform.
    pub(crate) fn copy_all(&self, name: &str) {
        let target = tempfile::tempdir().expect("a temporary directory");
        let source = format!("docker://{}/org/{name}", self.server.address());
        let target = format!("oci:{}:it", target.path().display());
        self.skopeo.run(["--insecure-policy", "copy", "--all", "--quiet", "--src-tls-verify=false", &source, &target]);
    }
}
