//! A real registry, Debian's `docker-registry`, on a free loopback port with a temporary directory.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Stdio};

use tempfile::TempDir;

use crate::token_server::TokenServer;
use crate::tools::require;

/// A running registry that deletes nothing but what it is told to; it ends when it is dropped.
pub struct RegistryServer {
    address: String,
    child: Child,
    dir: TempDir,
}

/// How a registry is to be set up.
#[derive(Default)]
pub struct RegistryOptions {
    user: Option<(String, String)>,
    auth: String,
    certificate: Option<(String, String)>,
    client_authority: Option<String>,
    read_only: bool,
}

impl RegistryOptions {
    /// Asks everybody for this name and password.
    #[must_use]
    pub fn htpasswd(mut self, user: &str, password: &str) -> Self {
        self.user = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// Asks everybody for a token of this server.
    #[must_use]
    pub fn token(mut self, server: &TokenServer) -> Self {
        self.auth = format!(
            "auth:\n  token:\n    realm: {}\n    service: {}\n    issuer: {}\n    rootcertbundle: {}\n",
            server.realm(),
            TokenServer::SERVICE,
            TokenServer::ISSUER,
            server.certificate().display(),
        );
        self
    }

    /// Speaks https with this certificate and key (PEM).
    #[must_use]
    pub fn tls(mut self, certificate: &str, key: &str) -> Self {
        self.certificate = Some((certificate.to_owned(), key.to_owned()));
        self
    }

    /// Turns away whoever has no certificate of this authority (PEM); needs [`RegistryOptions::tls`].
    #[must_use]
    pub fn client_authority(mut self, certificate: &str) -> Self {
        self.client_authority = Some(certificate.to_owned());
        self
    }

    /// Takes nothing in: every upload is refused.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Starts the registry. `None` means: skip this test; the reason is already printed.
    ///
    /// # Panics
    /// When it does not start, or is missing in CI.
    #[must_use]
    pub fn start(self) -> Option<RegistryServer> {
        let program = require("docker-registry")?;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let config = dir.path().join("config.yml");
        std::fs::write(&config, self.config(&dir)?).expect("the registry's configuration is written");
        let mut command = program.command();
        command.arg("serve").arg(&config).env_clear().current_dir(dir.path());
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("docker-registry can be started");
        let address = listening(child.stderr.take().expect("its log was piped"));
        Some(RegistryServer { address, child, dir })
    }

    fn config(&self, dir: &TempDir) -> Option<String> {
        let dir = dir.path();
        let mut text = format!(
            "version: 0.1\nlog:\n  level: info\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    \
             rootdirectory: {}\n  delete:\n    enabled: true\n  maintenance:\n    readonly:\n      enabled: {}\n\
             http:\n  addr: 127.0.0.1:0\n  secret: test\n",
            dir.join("data").display(),
            self.read_only,
        );
        if let Some((certificate, key)) = &self.certificate {
            let (certificate_file, key_file) = (dir.join("server.crt"), dir.join("server.key"));
            std::fs::write(&certificate_file, certificate).expect("written");
            std::fs::write(&key_file, key).expect("written");
            let (certificate, key) = (certificate_file.display(), key_file.display());
            let _ = write!(text, "  tls:\n    certificate: {certificate}\n    key: {key}\n");
        }
        if let Some(authority) = &self.client_authority {
            let file = dir.join("clients.crt");
            std::fs::write(&file, authority).expect("written");
            let _ = write!(text, "    clientcas:\n      - {}\n", file.display());
        }
        text.push_str(&self.auth);
        if let Some((user, password)) = &self.user {
            let users = dir.join("htpasswd");
            let line = require("htpasswd")?.run(["-nbB", user, password]).stdout;
            std::fs::write(&users, line).expect("written");
            let _ = write!(text, "auth:\n  htpasswd:\n    realm: test\n    path: {}\n", users.display());
        }
        Some(text)
    }
}

impl RegistryServer {
    /// Starts a registry that everybody may read and write. `None` means: skip this test; the reason is already printed.
    ///
    /// # Panics
    /// As [`RegistryOptions::start`].
    #[must_use]
    pub fn start() -> Option<Self> {
        RegistryOptions::default().start()
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where it keeps its files (the `filesystem` driver's layout).
    #[must_use]
    pub fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }
}

impl Drop for RegistryServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the log to tell where it listens; what follows is read and dropped, so that the registry never blocks.
fn listening(log: ChildStderr) -> String {
    let mut lines = BufReader::new(log).lines();
    let mut said = String::new();
    for line in lines.by_ref().map_while(Result::ok) {
        if let Some((_, rest)) = line.split_once("listening on ") {
            let address = rest.split(['"', ',', ' ']).next().unwrap_or_default().to_owned();
            std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
            return address;
        }
        let _ = writeln!(said, "{line}");
    }
    panic!("docker-registry did not start:\n{said}");
}

/// A self-signed certificate for the names and addresses, and its key, as PEM.
///
/// # Panics
/// When a name is not one.
#[must_use]
pub fn self_signed(names: &[&str]) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}
