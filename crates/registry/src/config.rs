//! What a client needs to know before it speaks to anybody.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::Credentials;
use crate::environment::Environment;
use crate::error::Error;
use crate::registries::Registries;
use crate::retry::{Clock, RetryPolicy, SystemClock};

/// Everything that decides how a [`Client`](crate::Client) behaves.
///
/// The default knows nothing of the machine: no credentials, no registries.conf, no private authorities, no proxies.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where credentials come from, and where `login` puts them.
    pub credentials: Credentials,
    /// Mirrors, rewritten locations, insecure and blocked registries (`registries.conf`).
    pub registries: Registries,
    /// `certs.d` directories: each may have a directory `HOST[:PORT]` with `*.crt`, `*.cert` and `*.key` files.
    pub certificate_dirs: Vec<PathBuf>,
    /// Whether `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` count. Loopback hosts are never proxied.
    pub proxies: bool,
    /// How much goes on at once.
    pub limits: Limits,
    /// How often a failed request is repeated.
    pub retry: RetryPolicy,
    /// How long silence is accepted.
    pub timeouts: Timeouts,
    /// The clock that waiting and the expiry of tokens go by.
    pub clock: Arc<dyn Clock>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            credentials: Credentials::default(),
            registries: Registries::default(),
            certificate_dirs: Vec::new(),
            proxies: false,
            limits: Limits::default(),
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
            clock: Arc::new(SystemClock),
        }
    }
}

impl Config {
    /// What Docker's and Podman's users have configured on this machine.
    ///
    /// # Errors
    /// When a registries.conf cannot be read or means nothing.
    pub fn from_environment() -> Result<Self, Error> {
        Self::from(&Environment::current())
    }

    /// The configuration found through `environment`.
    ///
    /// # Errors
    /// As [`Config::from_environment`].
    pub fn from(environment: &Environment) -> Result<Self, Error> {
        Ok(Self {
            credentials: Credentials::find(environment),
            registries: Registries::find(environment)?,
            certificate_dirs: certificate_dirs(environment),
            proxies: true,
            ..Self::default()
        })
    }
}

/// The directories that docker, podman and their rootless relatives read; the user's own come first.
fn certificate_dirs(environment: &Environment) -> Vec<PathBuf> {
    let own = [environment.user_config("containers/certs.d"), environment.docker("certs.d")];
    let system = ["etc/containers/certs.d", "etc/docker/certs.d"].map(|dir| environment.system(dir));
    own.into_iter().flatten().chain(system).collect()
}

/// How much goes on at once, per registry host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Blobs being uploaded.
    pub uploads: usize,
    /// Blobs being downloaded; a [`BlobStream`](crate::BlobStream) counts until it is read to its end or dropped.
    pub downloads: usize,
    /// Other requests.
    pub requests: usize,
    /// The largest manifest accepted, in bytes.
    pub manifest_bytes: usize,
}

impl Default for Limits {
    /// Four uploads (Docker pushes five, containerd three), eight downloads, sixteen requests, manifests up to 4 MiB
    /// (what registries have to accept: OCI distribution specification, "Pushing Manifests").
    fn default() -> Self {
        Self { uploads: 4, downloads: 8, requests: 16, manifest_bytes: 4 * 1024 * 1024 }
    }
}

/// How long silence is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands.
    pub connect: Duration,
    /// Between two arrivals of data while an answer is awaited or read.
    pub read: Duration,
}

impl Default for Timeouts {
    /// Thirty seconds to connect; ten minutes for an answer, as registries that verify large uploads take their time.
    fn default() -> Self {
        Self { connect: Duration::from_secs(30), read: Duration::from_secs(600) }
    }
}
