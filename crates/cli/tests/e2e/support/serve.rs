//! Contexts from elsewhere: a web server that knows one file, and a git daemon.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use testkit::tools::{Tool, find, run};

/// Serves `body` under every path, as long as the test runs; gives the address.
pub(crate) fn web(body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
    let address = listener.local_addr().expect("the port just bound");
    thread::spawn(move || listener.incoming().flatten().for_each(|client| drop(answer(&client, &body))));
    format!("http://{address}")
}

fn answer(mut client: &TcpStream, body: &[u8]) -> io::Result<()> {
    let lines = BufReader::new(client).lines();
    let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    write!(client, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len())?;
    if head.first().is_some_and(|line| line.starts_with("HEAD")) {
        return Ok(());
    }
    client.write_all(body)
}

/// `git` as nobody in particular.
fn git() -> Command {
    let tool: Tool = find("git").expect("git is needed to work on this project");
    let mut command = tool.command();
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null").env("HOME", "/nonexistent");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "test").env(format!("GIT_{who}_EMAIL"), "test@example.org");
    }
    command
}

/// Commits all that is in `directory` to `main`, with the tag `v1`.
pub(crate) fn commit(directory: &Path) {
    let commands: [&[&str]; 4] = [
        &["init", "--quiet", "--initial-branch=main"],
        &["add", "."],
        &["commit", "--quiet", "-m", "1"],
        &["tag", "v1"],
    ];
    for arguments in commands {
        run(git().args(arguments).current_dir(directory));
    }
}

/// A git daemon for the repositories below a directory; it ends when it is dropped.
pub(crate) struct GitDaemon {
    child: Child,
    address: String,
}

impl GitDaemon {
    pub(crate) fn start(base: &Path) -> Self {
        // It cannot choose a port itself, so another process may be quicker to take the one that was free.
        (0..8).find_map(|_| Self::try_start(base)).expect("a git daemon")
    }

    fn try_start(base: &Path) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let mut command = git();
        command.args(["daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1", &format!("--port={port}")]);
        command.arg(format!("--base-path={}", base.display())).stdout(Stdio::null()).stderr(Stdio::null());
        let mut daemon = Self { child: command.spawn().ok()?, address: format!("127.0.0.1:{port}") };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&daemon.address).is_err() {
            if daemon.child.try_wait().ok()?.is_some() || Instant::now() > deadline {
                return None;
            }
            thread::sleep(Duration::from_millis(20));
        }
        Some(daemon)
    }

    /// `git://host:port`.
    pub(crate) fn url(&self) -> String {
        format!("git://{}", self.address)
    }
}

impl Drop for GitDaemon {
    fn drop(&mut self) {
        // `git daemon` is a child of `git`, which passes on what asks it to end.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
