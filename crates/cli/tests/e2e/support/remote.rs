//! A registry, as skopeo sees it.

use std::path::Path;

use oci::Digest;
use serde_json::Value;
use tempfile::TempDir;
use testkit::canonical::CanonicalImage;
use testkit::registry_server::RegistryServer;
use testkit::tools::{Tool, require};

use super::{image, json};

/// An open registry and the tool that looks into it.
pub(crate) struct Remote {
    server: RegistryServer,
    skopeo: Tool,
}

impl Remote {
    /// `None` means: skip this test; the reason is already printed.
    pub(crate) fn start() -> Option<Self> {
        Some(Self { server: RegistryServer::start()?, skopeo: require("skopeo")? })
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> &str {
        self.server.address()
    }

    /// `path` (`repository:tag`) in this registry.
    pub(crate) fn name(&self, path: &str) -> String {
        format!("{}/{path}", self.address())
    }

    fn inspect(&self, flag: &str, path: &str) -> Vec<u8> {
        let name = format!("docker://{}", self.name(path));
        self.skopeo.run(["inspect", flag, "--tls-verify=false", &name]).stdout
    }

    /// The manifest or index.
    pub(crate) fn manifest(&self, path: &str) -> Value {
        json(self.inspect("--raw", path))
    }

    /// The digest of the manifest or index.
    pub(crate) fn digest(&self, path: &str) -> String {
        Digest::of(&self.inspect("--raw", path)).to_string()
    }

    /// Whether there is such an image.
    pub(crate) fn has(&self, path: &str) -> bool {
        let name = format!("docker://{}", self.name(path));
        self.skopeo.output(["inspect", "--raw", "--tls-verify=false", &name]).status.success()
    }

    /// All of an image, copied to `layout` under the tag `it`.
    pub(crate) fn copy(&self, path: &str, layout: &Path) {
        let (source, target) = (format!("docker://{}", self.name(path)), format!("oci:{}:it", layout.display()));
        let flags = ["--insecure-policy", "copy", "--all", "--quiet", "--src-tls-verify=false"];
        self.skopeo.run(flags.into_iter().chain([source.as_str(), target.as_str()]));
    }

    /// What is in the image, by our own reader of images.
    pub(crate) fn image(&self, path: &str) -> CanonicalImage {
        let directory = TempDir::new().expect("a temporary directory");
        let layout = directory.path().join("layout");
        self.copy(path, &layout);
        image(&layout)
    }
}
