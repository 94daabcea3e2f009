//! Credential helpers: `docker-credential-NAME get|store|erase` (docker/docker-credential-helpers).

use std::ffi::OsString;
use std::process::{Output, Stdio};

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::Credential;
use crate::error::{Cause, quote};
use crate::secret::Secret;

/// What a helper says, on standard output, when it has nothing.
const NOTHING_FOUND: &str = "credentials not found in native keychain";

/// One installed helper.
pub(crate) struct Helper<'a> {
    name: &'a str,
    path: Option<&'a OsString>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    username: String,
    secret: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Kept<'a> {
    #[serde(rename = "ServerURL")]
    server_url: &'a str,
    username: &'a str,
    secret: &'a str,
}

impl<'a> Helper<'a> {
    /// The helper `name`, looked for in `path` (a `PATH`), or in the process's own.
    ///
    /// # Errors
    /// When the name could leave the directories of the path.
    pub(crate) fn new(name: &'a str, path: Option<&'a OsString>) -> Result<Self, Cause> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || !name.chars().all(plain) {
            return Err(failed(&quote(name), "this is not a helper's name"));
        }
        Ok(Self { name, path })
    }

    /// What the helper knows about `server`.
    pub(crate) async fn get(&self, server: &str) -> Result<Option<Credential>, Cause> {
        let output = self.run("get", server.as_bytes()).await?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return if text.contains(NOTHING_FOUND) { Ok(None) } else { Err(self.refused(&output)) };
        }
        let found: Found = serde_json::from_str(&text)
            .map_err(|_| failed(self.name, "its answer is not the JSON that was expected"))?;
        if found.username.is_empty() && found.secret.is_empty() {
            return Ok(None);
        }
        Ok(Some(Credential::from_pair(found.username, Secret::new(found.secret))))
    }

    /// Stores a name and password for `server`.
    pub(crate) async fn store(&self, server: &str, username: &str, password: &Secret) -> Result<(), Cause> {
        let kept = Kept { server_url: server, username, secret: password.reveal() };
        let input = serde_json::to_vec(&kept).map_err(|error| failed(self.name, &error.to_string()))?;
        self.done(self.run("store", &input).await?)
    }

    /// Forgets what is stored for `server`.
    pub(crate) async fn erase(&self, server: &str) -> Result<(), Cause> {
        self.done(self.run("erase", server.as_bytes()).await?)
    }

    fn done(&self, output: Output) -> Result<(), Cause> {
        if output.status.success() { Ok(()) } else { Err(self.refused(&output)) }
    }

    async fn run(&self, verb: &str, input: &[u8]) -> Result<Output, Cause> {
        let mut command = Command::new(format!("docker-credential-{}", self.name));
        command.arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        if let Some(path) = self.path {
            command.env("PATH", path);
        }
        let run = async {
            let mut child = command.spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                // A helper that does not read its input says why in its answer.
                let _ = stdin.write_all(input).await;
            }
            child.wait_with_output().await
        };
        run.await.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => failed(self.name, "it is configured but not installed"),
            _ => failed(self.name, &error.to_string()),
        })
    }

    /// Helpers report on standard output; only a successful `get` prints a secret there.
    fn refused(&self, output: &Output) -> Cause {
        let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
        failed(self.name, &text.join(" "))
    }
}

fn failed(helper: &str, problem: &str) -> Cause {
    Cause::Helper { helper: helper.to_owned(), problem: quote(problem.trim()) }
}
