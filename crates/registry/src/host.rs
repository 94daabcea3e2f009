//! One registry, as it is reached.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Semaphore;
use url::Url;

use crate::auth::{Session, name};
use crate::config::Limits;
use crate::error::{Cause, quote};
use crate::tls::Trust;

/// Where Docker Hub's API is.
const DOCKER_HUB_API: &str = "registry-1.docker.io";

/// A registry that has been found to answer at `base`.
pub(crate) struct Host {
    /// As references name it.
    pub(crate) name: String,
    /// The root of its API's addresses.
    pub(crate) base: Url,
    pub(crate) client: reqwest::Client,
    pub(crate) session: Session,
    pub(crate) uploads: Arc<Semaphore>,
    pub(crate) downloads: Arc<Semaphore>,
    pub(crate) requests: Semaphore,
}

impl Host {
    pub(crate) fn new(name: &str, base: Url, client: reqwest::Client, limits: Limits) -> Self {
        Self {
            name: name.to_owned(),
            base,
            client,
            session: Session::default(),
            uploads: Arc::new(Semaphore::new(limits.uploads.max(1))),
            downloads: Arc::new(Semaphore::new(limits.downloads.max(1))),
            requests: Semaphore::new(limits.requests.max(1)),
        }
    }

    /// The address of `path` below the API's root.
    pub(crate) fn url(&self, path: &str) -> Result<Url, Cause> {
        self.base.join(&format!("/v2/{path}")).map_err(|_| Cause::protocol(&self.name, "this makes no valid address"))
    }

    /// Whether `url` has the registry's own origin, and so may see its credentials.
    pub(crate) fn owns(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }
}

/// A way to reach a host that is yet to be tried.
pub(crate) struct Candidate {
    pub(crate) base: Url,
    pub(crate) trust: Trust,
}

/// The ways to reach the registry `name`, best first.
pub(crate) fn candidates(name: &str, insecure: bool, certificate_dirs: &[PathBuf]) -> Result<Vec<Candidate>, Cause> {
    let address = if name == name::DOCKER_HUB { DOCKER_HUB_API } else { name };
    let directory = directory(name, certificate_dirs);
    let local = is_local(address);
    let candidate = |encrypted: bool, verified: bool| {
        let scheme = if encrypted { "https" } else { "http" };
        let base = Url::parse(&format!("{scheme}://{address}/"))
            .map_err(|_| Cause::protocol(&quote(name), "this is not a host name"))?;
        Ok(Candidate { base, trust: Trust { directory: directory.clone(), verified, encrypted, local } })
    };
    match (insecure, local && directory.is_none()) {
        (_, true) => Ok(vec![candidate(false, true)?, candidate(true, false)?]),
        (true, false) => Ok(vec![candidate(true, false)?, candidate(false, true)?]),
        (false, false) => Ok(vec![candidate(true, true)?]),
    }
}

/// The first certs.d directory that has one for the host.
pub(crate) fn directory(name: &str, certificate_dirs: &[PathBuf]) -> Option<PathBuf> {
    let plain = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
    let mut dirs = certificate_dirs.iter().map(|dir| dir.join(Path::new(name)));
    if plain { dirs.find(|dir| dir.is_dir()) } else { None }
}

/// Whether `host[:port]` is this machine by name or address: 127.0.0.0/8, `::1`, `localhost`.
pub(crate) fn is_local(address: &str) -> bool {
    let host = match address.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => address.split(':').next().unwrap_or_default(),
    };
    is_local_name(host) || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

pub(crate) fn is_local_name(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(name: &str, insecure: bool, dirs: &[PathBuf]) -> Vec<(String, bool)> {
        let found = candidates(name, insecure, dirs).expect("a host");
        found.into_iter().map(|way| (way.base.to_string(), way.trust.verified)).collect()
    }

    #[test]
    fn plain_http_is_for_loopback_and_for_what_is_called_insecure() {
        assert_eq!(ways("r.example", false, &[]), [("https://r.example/".into(), true)]);
        assert_eq!(
            ways("r.example:5000", true, &[]),
            [("https://r.example:5000/".into(), false), ("http://r.example:5000/".into(), true)]
        );
        for name in ["localhost:5000", "127.8.0.1:5000", "[::1]:5000"] {
            assert_eq!(ways(name, false, &[])[0].0, format!("http://{name}/"));
        }
        assert_eq!(ways("docker.io", false, &[]), [("https://registry-1.docker.io/".into(), true)]);
    }

    #[test]
    fn certificates_for_a_loopback_host_mean_https() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("localhost:5000")).expect("made");
        let dirs = [dir.path().to_owned()];
        assert_eq!(ways("localhost:5000", false, &dirs), [("https://localhost:5000/".into(), true)]);
        assert_eq!(ways("localhost:5001", false, &dirs).len(), 2);
    }

    #[test]
    fn names_that_only_look_local_are_not() {
        for name in ["localhost.example", "127.0.0.1.example", "10.0.0.1", "128.0.0.1:5000"] {
            assert!(!is_local(name), "{name}");
        }
    }
}
