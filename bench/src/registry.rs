//! Debian's `docker-registry` on a free loopback port.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Failure;
use crate::aside::Aside;

/// A running registry; it ends when it is dropped.
pub(crate) struct Registry {
    child: Child,
    address: String,
    data: PathBuf,
}

impl Registry {
    pub(crate) fn start(dir: &Path) -> Result<Registry, Failure> {
        let data = dir.join("registry");
        fs::create_dir_all(&data)?;
        let config = dir.join("registry.yml");
        let text = format!(
            "version: 0.1\nlog:\n  level: info\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    \
             rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:0\n  secret: bench\n",
            data.display()
        );
        fs::write(&config, text)?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).env_clear().stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("docker-registry (Debian's package): {error}"))?;
        let log = child.stderr.take().ok_or("the registry has no log")?;
        let mut lines = BufReader::new(log).lines();
        for line in lines.by_ref().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once("listening on ") {
                let address = rest.split(['"', ',', ' ']).next().unwrap_or_default().to_owned();
                std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
                return Ok(Registry { child, address, data });
            }
        }
        Err("docker-registry did not start".into())
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What is in it now.
    pub(crate) fn state(&self) -> Result<State, Failure> {
        let v2 = self.data.join("docker/registry/v2");
        let mut kept = BTreeSet::new();
        for dir in [v2.join("repositories"), v2.join("blobs/sha256")] {
            fs::create_dir_all(&dir)?;
            for entry in grandchildren(&dir)? {
                kept.insert(entry.into_os_string());
            }
        }
        Ok(State(kept))
    }

    /// Takes it back to what it was, so that every run finds the same.
    pub(crate) fn restore(&self, state: &State, aside: &Aside) -> Result<(), Failure> {
        let v2 = self.data.join("docker/registry/v2");
        for dir in [v2.join("repositories"), v2.join("blobs/sha256")] {
            for entry in grandchildren(&dir)? {
                if !state.0.contains(entry.as_os_str()) {
                    aside.take(&entry)?;
                }
            }
        }
        Ok(())
    }
}

/// Which repositories and blobs a registry had: no cache of it outlives their files.
pub(crate) struct State(BTreeSet<OsString>);

/// `repositories/bench/NAME` and `blobs/sha256/XX/DIGEST`.
fn grandchildren(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for child in fs::read_dir(dir)? {
        for entry in fs::read_dir(child?.path())? {
            found.push(entry?.path());
        }
    }
    Ok(found)
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
