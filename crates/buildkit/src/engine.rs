//! Where a Docker engine listens.

use std::path::{Path, PathBuf};

use crate::address::Engine;

const USUAL: &str = "/var/run/docker.sock";
/// Files of Docker's client larger than this are not read.
const MAX_FILE: u64 = 1 << 20;

impl Engine {
    /// The socket: as Docker's client finds it.
    ///
    /// # Errors
    /// What is wrong, when there is no such context, or its engine is not at a socket of this machine.
    pub fn socket(&self) -> Result<PathBuf, String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let config = variable("DOCKER_CONFIG").map(PathBuf::from);
        let config = config.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".docker")));
        match self {
            Self::Socket(path) => Ok(path.clone()),
            Self::Context(name) => context(config.as_deref(), name, variable("DOCKER_HOST")),
            Self::Default => match (variable("DOCKER_HOST"), variable("DOCKER_CONTEXT").or_else(|| current(&config))) {
                (Some(host), _) => unix(&host),
                (None, Some(name)) => context(config.as_deref(), &name, None),
                (None, None) => Ok(USUAL.into()),
            },
        }
    }
}

/// The context that the client's configuration names.
fn current(config: &Option<PathBuf>) -> Option<String> {
    let file = read(&config.as_ref()?.join("config.json")).ok()?;
    Some(file.get("currentContext")?.as_str()?.to_owned()).filter(|name| !name.is_empty())
}

fn context(config: Option<&Path>, name: &str, host: Option<String>) -> Result<PathBuf, String> {
    if name == "default" {
        return host.map_or_else(|| Ok(USUAL.into()), |host| unix(&host));
    }
    let directory = config.ok_or("there is no home, where contexts of Docker's client are")?;
    let id = oci::Digest::of(name.as_bytes());
    let path = directory.join("contexts/meta").join(id.hex()).join("meta.json");
    let meta = read(&path).map_err(|error| format!("there is no context {name} of Docker's client: {error}"))?;
    let host = meta.pointer("/Endpoints/docker/Host").and_then(serde_json::Value::as_str);
    unix(host.ok_or_else(|| format!("the context {name} names no engine"))?)
}

fn read(path: &Path) -> Result<serde_json::Value, String> {
    use std::io::Read;
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    serde_json::from_slice(&bytes).map_err(|error| failed(&error))
}

fn unix(host: &str) -> Result<PathBuf, String> {
    let path = host.strip_prefix("unix://").filter(|path| path.starts_with('/'));
    path.map(PathBuf::from).ok_or_else(|| format!("the engine is at {host}, and only unix:// is understood here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_of_the_client_names_its_engine() {
        let config = tempfile::tempdir().expect("a temporary directory");
        let meta = |name: &str, host: &str| {
            let directory = config.path().join("contexts/meta").join(oci::Digest::of(name.as_bytes()).hex());
            std::fs::create_dir_all(&directory).expect("it is ours");
            let text = format!(r#"{{"Name":"{name}","Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#);
            std::fs::write(directory.join("meta.json"), text).expect("it is ours");
        };
        meta("here", "unix:///run/here.sock");
        meta("there", "ssh://there");
        let found = |name: &str| context(Some(config.path()), name, None);
        assert_eq!(found("here"), Ok("/run/here.sock".into()));
        assert!(found("there").is_err_and(|error| error.contains("only unix://")));
        assert!(found("nowhere").is_err_and(|error| error.contains("no context nowhere")));
        assert_eq!(found("default"), Ok(USUAL.into()));
    }
}
