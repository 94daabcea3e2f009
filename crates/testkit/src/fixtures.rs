//! Base images made from real systems, as OCI layout directories.
//!
//! Each is made once and kept under the target directory, whoever asks first; other test processes wait for it. They are
//! put together by GNU tar, gzip and sha256sum, not by the code under test.

mod layout;
mod roots;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::tools::{self, Tool};

/// Rises whenever a fixture's content changes, so that kept ones are made again.
const VERSION: u32 = 1;

/// An image in an OCI layout directory, under the tag `latest`. Not to be written to: others use it too.
#[derive(Debug, Clone)]
pub struct Fixture {
    layout: PathBuf,
    config: Value,
}

impl Fixture {
    /// The OCI layout directory.
    #[must_use]
    pub fn layout(&self) -> &Path {
        &self.layout
    }

    /// The image's config.
    #[must_use]
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// The digest of its only layer.
    ///
    /// # Panics
    /// When the directory is damaged.
    #[must_use]
    pub fn layer(&self) -> String {
        let read = |path: PathBuf| -> Value {
            serde_json::from_slice(&fs::read(path).expect("fixtures are whole")).expect("fixtures are whole")
        };
        let digest = |value: &Value| value["digest"].as_str().expect("a digest").to_owned();
        let index = read(self.layout.join("index.json"));
        let manifest = self.layout.join("blobs").join(digest(&index["manifests"][0]).replace(':', "/"));
        digest(&read(manifest)["layers"][0])
    }

    /// The name by which skopeo and others find it: `oci:DIRECTORY:latest`.
    #[must_use]
    pub fn transport(&self) -> String {
        format!("oci:{}:latest", self.layout.display())
    }

    /// Copies the image to `name` (`repository:tag`) in the open registry at `address` (`host:port`), with skopeo.
    /// `None` when skopeo is missing: skip the test.
    ///
    /// # Panics
    /// When skopeo fails.
    pub fn push(&self, address: &str, name: &str) -> Option<()> {
        let destination = format!("docker://{address}/{name}");
        let source = self.transport();
        tools::require("skopeo")?.run(["--insecure-policy", "copy", "--dest-tls-verify=false", &source, &destination]);
        Some(())
    }
}

/// Debian's minimal system, one layer, as debootstrap lays it out: merged `/usr`, real users, files of every kind.
/// `None` where it cannot be made (no debootstrap, or not root): skip the test.
///
/// # Panics
/// When making it fails, or cannot be done in CI.
#[must_use]
pub fn debian_base() -> Option<Fixture> {
    kept("debian", || roots::debian(&tools::require("debootstrap")?))
}

/// Debian's static busybox with a link for each applet, one layer. `None` when it is not installed: skip the test.
///
/// # Panics
/// As [`debian_base`].
#[must_use]
pub fn busybox_base() -> Option<Fixture> {
    kept("busybox", || Some(roots::busybox(&tools::require("busybox")?)))
}

/// A few files that stand for a system where nothing needs to run: users and groups, a merged `/usr`, a sticky `/tmp`.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn tiny_base() -> Fixture {
    kept("tiny", || Some(roots::tiny())).expect("it needs no tools")
}

/// The fixture `name`, made by `make` if it is not there. A lock keeps test processes from making it twice; the finished
/// directory is renamed into place, so that an interrupted one is never used.
fn kept(name: &str, make: impl FnOnce() -> Option<TempDir>) -> Option<Fixture> {
    let directory = directory();
    fs::create_dir_all(&directory).expect("the target directory can be written");
    let lock = File::create(directory.join(format!("{name}.lock"))).expect("the target directory can be written");
    lock.lock().expect("locks work in the target directory");
    let layout = directory.join(format!("{name}-{VERSION}"));
    if !layout.exists() {
        let root = make()?;
        let unfinished = TempDir::new_in(&directory).expect("the target directory can be written");
        layout::write(root.path(), unfinished.path());
        fs::rename(unfinished.path(), &layout).expect("the directory is ours");
    }
    let config = layout::config(&layout);
    Some(Fixture { layout, config })
}

fn directory() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    workspace.join(target).join("fixtures")
}

fn is_root() -> bool {
    tools::run(gnu("id").command().arg("-u")).text() == "0"
}

fn gnu(name: &str) -> Tool {
    tools::find(name).unwrap_or_else(|| panic!("{name} is part of every Debian system"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tiny_base_is_an_image_that_others_read() {
        let base = tiny_base();
        assert_eq!(base.config()["os"], "linux");
        let Some(skopeo) = tools::require("skopeo") else { return };
        let said = skopeo.run(["inspect", "--config", &base.transport()]).text();
        assert_eq!(serde_json::from_str::<Value>(&said).expect("JSON"), *base.config());
    }

    #[test]
    fn busybox_brings_its_applets() {
        let Some(base) = busybox_base() else { return };
        let Some(umoci) = tools::require("umoci") else { return };
        let bundle = TempDir::new().expect("a directory");
        let target = bundle.path().join("bundle");
        let image = format!("{}:latest", base.layout().display());
        umoci.run(["unpack", "--rootless", "--image", &image, &target.display().to_string()]);
        assert_eq!(fs::read_link(target.join("rootfs/bin/sh")).expect("a link"), Path::new("busybox"));
    }

    #[test]
    fn debian_is_whole_and_merged() {
        let Some(base) = debian_base() else { return };
        let Some(umoci) = tools::require("umoci") else { return };
        let said = umoci.run(["stat", "--json", "--image", &format!("{}:latest", base.layout().display())]).text();
        let stat: Value = serde_json::from_str(&said).expect("JSON");
        let size = stat["history"][0]["layer"]["size"].as_u64().expect("a size");
        assert!(size > 30_000_000, "{size}");
    }

    #[test]
    fn two_who_ask_at_once_get_the_same() {
        let both = [std::thread::spawn(tiny_base), std::thread::spawn(tiny_base)];
        let [one, two] = both.map(|thread| thread.join().expect("made"));
        assert_eq!(one.layout(), two.layout());
    }
}
