//! Repositories served by git's own daemon on the loopback interface.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use layer::{EntryKind, SourceTree, Timestamp};
use rootfs::TreePath;
use shipsmith_context::Error;
use shipsmith_context::git::{self, Checkout, GitSource, checkout};
use tempfile::TempDir;
use testkit::tools::{Tool, require, run};

/// A repository `a`, and a server for it.
struct Server {
    base: TempDir,
    address: SocketAddr,
    git: Tool,
}

impl Server {
    /// `None` when git is missing.
    fn start() -> Option<Self> {
        let git = require("git")?;
        let base = TempDir::new().expect("a directory");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let server = Self { base, address, git };
        server.init("a");
        serve(listener, server.git.clone(), server.base.path().to_owned());
        Some(server)
    }

    fn init(&self, name: &str) {
        fs::create_dir(self.base.path().join(name)).expect("made");
        self.git(name, &["init", "--quiet", "--initial-branch=main"]);
    }

    fn git(&self, name: &str, args: &[&str]) -> String {
        let mut command = self.git.command();
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs([("HOME", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")]);
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "t").env(format!("GIT_{who}_EMAIL"), "t@t");
            command.env(format!("GIT_{who}_DATE"), "1600000000 +0000");
        }
        run(command.current_dir(self.base.path().join(name)).args(args)).text()
    }

    /// Commits all there is; the commit.
    fn commit(&self, name: &str) -> String {
        self.git(name, &["add", "--all"]);
        self.git(name, &["commit", "--quiet", "--message", "x"]);
        self.git(name, &["rev-parse", "HEAD"])
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.base.path().join(path);
        fs::create_dir_all(path.parent().expect("not the root")).expect("made");
        fs::write(path, content).expect("written");
    }

    fn url(&self, name: &str) -> String {
        format!("git://{}/{name}", self.address)
    }

    fn checkout(&self, suffix: &str) -> Result<Checkout, Error> {
        checkout(&source(&format!("{}{suffix}", self.url("a"))), &std::env::temp_dir())
    }
}

fn source(text: &str) -> GitSource {
    GitSource::parse(text).expect("git").expect("well-formed")
}

/// A daemon for each connection, as inetd would start it: no port has to be guessed.
fn serve(listener: TcpListener, git: Tool, base: PathBuf) {
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let (input, output) = (OwnedFd::from(stream.try_clone().expect("a descriptor")), OwnedFd::from(stream));
            let mut command = Command::new(git.path());
            command
                .args(["daemon", "--inetd", "--export-all"])
                .arg(format!("--base-path={}", base.display()))
                .arg(&base);
            command
                .env("GIT_CONFIG_COUNT", "1")
                .env("GIT_CONFIG_KEY_0", "safe.directory")
                .env("GIT_CONFIG_VALUE_0", "*");
            let child = command.stdin(input).stdout(output).stderr(Stdio::null()).spawn();
            thread::spawn(move || child.map(|mut child| child.wait()));
        }
    });
}

fn path(text: &str) -> TreePath {
    TreePath::new(text).expect("a path")
}

fn read(checkout: &Checkout, name: &str) -> String {
    let content = checkout.tree().content(&path(name)).expect("there");
    std::io::read_to_string(content.open().expect("open")).expect("text")
}

fn has(checkout: &Checkout, name: &str) -> bool {
    checkout.tree().entry(&path(name)).expect("readable").is_some()
}

#[test]
fn the_default_branch_is_taken_with_its_commits_time() {
    let Some(server) = Server::start() else { return };
    server.write("a/dir/file", "one");
    symlink("dir/file", server.base.path().join("a/link")).expect("linked");
    let commit = server.commit("a");
    let checkout = server.checkout("").expect("checked out");
    assert_eq!(checkout.commit, commit);
    assert_eq!(read(&checkout, "dir/file"), "one");
    let entry = checkout.tree().entry(&path("dir/file")).expect("readable").expect("there");
    assert_eq!((entry.mode, entry.uid, entry.mtime), (0o644, 0, Timestamp::from_seconds(1_600_000_000)));
    let link = checkout.tree().entry(&path("link")).expect("readable").expect("there");
    assert_eq!(link.kind, EntryKind::Symlink { target: b"dir/file".to_vec() });
    assert!(!has(&checkout, ".git"));
}

#[test]
fn branches_tags_commits_and_directories_are_found() {
    let Some(server) = Server::start() else { return };
    server.write("a/dir/file", "one");
    let first = server.commit("a");
    server.git("a", &["tag", "--annotate", "v1", "--message", "x"]);
    server.git("a", &["checkout", "--quiet", "-b", "feature/x"]);
    server.write("a/dir/file", "two");
    server.commit("a");
    for (suffix, file, content) in [
        ("#v1", "dir/file", "one"),
        ("#refs/tags/v1", "dir/file", "one"),
        ("#main:dir", "file", "one"),
        ("#feature/x", "dir/file", "two"),
        ("?branch=feature/x&subdir=dir", "file", "two"),
        (&format!("#{first}"), "dir/file", "one"),
    ] {
        let checkout = server.checkout(suffix).expect(suffix);
        assert_eq!(read(&checkout, file), content, "{suffix}");
    }
}

#[test]
fn the_commit_must_be_the_promised_one() {
    let Some(server) = Server::start() else { return };
    server.write("a/file", "one");
    let commit = server.commit("a");
    server.git("a", &["tag", "--annotate", "v1", "--message", "x"]);
    for suffix in ["", "#main", "#v1", &format!("#{commit}")] {
        assert!(server.checkout(&format!("?checksum={}{suffix}", &commit[..12])).is_ok(), "{suffix}");
        let error = server.checkout(&format!("?checksum=0123456789{suffix}")).err().expect("refused");
        assert!(matches!(error, Error::Git(git::Error::Checksum { .. })), "{error}");
    }
}

#[test]
fn the_git_directory_stays_when_asked_without_traces() {
    let Some(server) = Server::start() else { return };
    server.write("a/file", "one");
    server.commit("a");
    let checkout = server.checkout("?keep-git-dir#main").expect("checked out");
    assert!(has(&checkout, ".git/HEAD") && !has(&checkout, ".git/FETCH_HEAD") && !has(&checkout, ".git/hooks"));
    assert!(read(&checkout, ".git/config").contains(&server.url("a")));
    assert!(has(&server.checkout("?keep-git-dir").expect("checked out"), ".git"));
}

#[test]
fn submodules_come_along_unless_not_wanted() {
    let Some(server) = Server::start() else { return };
    server.init("b");
    server.write("b/inner", "deep");
    server.commit("b");
    server.git("a", &["submodule", "--quiet", "add", &server.url("b"), "sub"]);
    server.commit("a");
    assert_eq!(read(&server.checkout("").expect("checked out"), "sub/inner"), "deep");
    assert!(!has(&server.checkout("?submodules=false").expect("checked out"), "sub/inner"));
}

#[test]
fn a_submodule_cannot_name_a_repository_of_this_machine() {
    let Some(server) = Server::start() else { return };
    server.init("b");
    server.write("b/inner", "canary");
    server.commit("b");
    let host: &Path = &server.base.path().join("b");
    let file = format!("file://{}", host.display());
    server.git("a", &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &file, "sub"]);
    server.commit("a");
    let error = server.checkout("").err().expect("refused");
    assert!(error.to_string().contains("not allowed"), "{error}");
}

#[test]
fn what_is_not_there_is_named() {
    let Some(server) = Server::start() else { return };
    server.write("a/file", "one");
    symlink("/etc", server.base.path().join("a/etc")).expect("linked");
    server.commit("a");
    for (suffix, sign) in [
        ("#nowhere", "no branch, tag or commit \"nowhere\""),
        ("#main:missing", "no directory \"missing\""),
        ("#main:file", "no directory"),
        ("#main:etc", "no directory"),
        ("#main:.git", "no directory"),
        (&format!("#{}", "0".repeat(40)), ""),
    ] {
        let error = server.checkout(suffix).err().expect(suffix);
        assert!(error.to_string().contains(sign), "{suffix}: {error}");
    }
}

#[test]
fn the_process_environment_does_not_decide() {
    let Some(server) = Server::start() else { return };
    server.write("a/file", "one");
    server.write("a/.gitattributes", "file filter=evil\n");
    server.commit("a");
    let checkout = server.checkout("").expect("checked out");
    assert_eq!(read(&checkout, "file"), "one");
}

#[test]
fn resolving_asks_without_fetching() {
    let Some(server) = Server::start() else { return };
    server.write("a/file", "one");
    let commit = server.commit("a");
    let remote = source(&server.url("a"));
    let resolved = git::resolve(&remote, &std::env::temp_dir()).expect("resolved");
    assert_eq!((resolved.name.as_str(), resolved.commit()), ("refs/heads/main", commit.as_str()));
}
