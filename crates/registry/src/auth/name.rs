//! The names under which files and helpers keep credentials.

/// Docker Hub, as references name it.
pub(crate) const DOCKER_HUB: &str = "docker.io";

/// The key of Docker Hub in Docker's files.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// The key under which docker keeps the credentials of `host`.
pub(crate) fn docker_key(host: &str) -> String {
    if host == DOCKER_HUB { DOCKER_HUB_KEY.to_owned() } else { host.to_owned() }
}

/// Whether `key` names the whole of `host`.
pub(crate) fn names_host(key: &str, host: &str) -> bool {
    normalised(key) == host
}

/// The length of `key` when it names `host`, or a namespace of it that `path` lies in.
pub(crate) fn covers(key: &str, host: &str, path: &str) -> Option<usize> {
    let key = normalised(key);
    let rest = key.strip_prefix(host)?;
    let fits = match rest.strip_prefix('/') {
        None => rest.is_empty(),
        Some(space) => path.strip_prefix(space).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
    };
    fits.then_some(key.len())
}

/// `host[:port][/namespace]`: old files have whole addresses, and Docker Hub has several names.
fn normalised(key: &str) -> String {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let key = match bare {
        Some(address) => address.split('/').next().unwrap_or_default(),
        None => key.trim_end_matches('/'),
    };
    let key = key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key);
    let (host, rest) = key.find('/').map_or((key, ""), |at| key.split_at(at));
    match host {
        "index.docker.io" | "registry-1.docker.io" => format!("{DOCKER_HUB}{rest}"),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_hub_has_many_names() {
        for key in ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "https://registry-1.docker.io/v2/"] {
            assert!(names_host(key, DOCKER_HUB), "{key}");
        }
    }

    #[test]
    fn namespaces_end_at_a_boundary() {
        assert_eq!(covers("quay.io/team", "quay.io", "team/app"), Some(12));
        assert_eq!(covers("quay.io/team", "quay.io", "teams/app"), None);
        assert_eq!(covers("quay.io", "quay.io", "team/app"), Some(7));
        assert_eq!(covers("quay.io", "quay.io:8443", "team/app"), None);
        assert_eq!(covers("https://quay.io/v1/", "quay.io", "x"), Some(7));
    }
}
