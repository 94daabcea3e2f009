//! Where a Docker engine listens, as Docker's own client finds it.

use std::path::{Path, PathBuf};

use url::Url;

use crate::TlsFiles;
use crate::address::{Engine, host_of, user_and_host};

const USUAL: &str = "/var/run/docker.sock";
/// Files of Docker's client larger than this are not read.
const MAX_FILE: u64 = 1 << 20;
/// The ports that engines have without and with TLS.
const PORTS: [u16; 2] = [2375, 2376];

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Socket(PathBuf),
    Tcp {
        host: String,
        port: u16,
        tls: Option<TlsFiles>,
    },
    /// The usual socket of another machine, through `docker system dial-stdio` there.
    Ssh {
        host: String,
        port: Option<u16>,
    },
}

impl Engine {
    /// Where it listens.
    ///
    /// # Errors
    /// What is wrong, when there is no such context, or it cannot be reached from here.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, String> {
        let config = variable("DOCKER_CONFIG").map(PathBuf::from);
        let config = config.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".docker")));
        match self {
            Self::Socket(path) => Ok(Endpoint::Socket(path.clone())),
            Self::Context(name) => context(config.as_deref(), name),
            Self::Default => match (variable("DOCKER_HOST"), variable("DOCKER_CONTEXT").or_else(|| current(&config))) {
                (None, Some(name)) => context(config.as_deref(), &name),
                _ => of_environment(config.as_deref()),
            },
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH say.
fn of_environment(config: Option<&Path>) -> Result<Endpoint, String> {
    let Some(host) = variable("DOCKER_HOST") else { return Ok(Endpoint::Socket(USUAL.into())) };
    let directory = || variable("DOCKER_CERT_PATH").map(PathBuf::from).or_else(|| config.map(Path::to_owned));
    let directory = variable("DOCKER_TLS_VERIFY").and_then(|_| directory());
    at(&host, directory.map(|directory| certificates(&directory)))
}

/// The context that the client's configuration names.
fn current(config: &Option<PathBuf>) -> Option<String> {
    let file = read(&config.as_ref()?.join("config.json")).ok()?;
    Some(file.get("currentContext")?.as_str()?.to_owned()).filter(|name| !name.is_empty())
}

fn context(config: Option<&Path>, name: &str) -> Result<Endpoint, String> {
    if name == "default" {
        return of_environment(config);
    }
    let contexts = config.ok_or("there is no home, where contexts of Docker's client are")?.join("contexts");
    let id = oci::Digest::of(name.as_bytes());
    let meta = read(&contexts.join("meta").join(id.hex()).join("meta.json"))
        .map_err(|error| format!("there is no context {name} of Docker's client: {error}"))?;
    let told = |key: &str| meta.pointer(&format!("/Endpoints/docker/{key}"));
    let host = told("Host").and_then(serde_json::Value::as_str);
    let host = host.ok_or_else(|| format!("the context {name} names no engine"))?;
    let directory = contexts.join("tls").join(id.hex()).join("docker");
    let tls = directory.is_dir().then(|| certificates(&directory));
    if tls.is_some() && told("SkipTLSVerify").and_then(serde_json::Value::as_bool) == Some(true) {
        return Err(format!("the context {name} says not to verify its engine's certificate, which is not done here"));
    }
    at(host, tls)
}

/// The files of a directory as Docker's client names them.
fn certificates(directory: &Path) -> TlsFiles {
    let file = |name: &str| directory.join(name);
    let identity = Some((file("cert.pem"), file("key.pem"))).filter(|(cert, _)| cert.exists());
    TlsFiles { ca: file("ca.pem"), identity, server_name: None }
}

fn at(host: &str, tls: Option<TlsFiles>) -> Result<Endpoint, String> {
    let understood = "unix://, tcp:// and ssh:// are understood here";
    let unknown = |error: &dyn std::fmt::Display| format!("the engine is at {host}: {error}; {understood}");
    if let Some(path) = host.strip_prefix("unix://").filter(|path| path.starts_with('/')) {
        return Ok(Endpoint::Socket(path.into()));
    }
    let url = Url::parse(host).map_err(|error| unknown(&error))?;
    match url.scheme() {
        "tcp" => {
            let usual = PORTS[usize::from(tls.is_some())];
            let (host, port) = (host_of(&url).map_err(|error| unknown(&error))?, url.port().unwrap_or(usual));
            Ok(Endpoint::Tcp { host, port, tls })
        }
        "ssh" => Ok(Endpoint::Ssh { host: user_and_host(&url).map_err(|error| unknown(&error))?, port: url.port() }),
        scheme => Err(unknown(&format!("the scheme {scheme} is not known"))),
    }
}

fn read(path: &Path) -> Result<serde_json::Value, String> {
    use std::io::Read;
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    serde_json::from_slice(&bytes).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().expect("not the root")).expect("it is ours");
        std::fs::write(path, text).expect("it is ours");
    }

    #[test]
    fn a_context_of_the_client_names_its_engine() {
        let config = tempfile::tempdir().expect("a temporary directory");
        let id = |name: &str| oci::Digest::of(name.as_bytes()).hex().to_owned();
        let meta = |name: &str, host: &str| {
            let path = config.path().join("contexts/meta").join(id(name)).join("meta.json");
            write(&path, &format!(r#"{{"Name":"{name}","Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#));
        };
        meta("here", "unix:///run/here.sock");
        meta("there", "ssh://me@there:2222");
        meta("plain", "tcp://10.0.0.1");
        meta("safe", "tcp://engine.test");
        meta("odd", "npipe:////./pipe/docker");
        meta("sly", "ssh://-oProxyCommand=x");
        let certificates = config.path().join("contexts/tls").join(id("safe")).join("docker");
        ["ca.pem", "cert.pem", "key.pem"].iter().for_each(|name| write(&certificates.join(name), ""));
        let found = |name: &str| context(Some(config.path()), name);
        assert_eq!(found("here"), Ok(Endpoint::Socket("/run/here.sock".into())));
        assert_eq!(found("there"), Ok(Endpoint::Ssh { host: "me@there".into(), port: Some(2222) }));
        assert_eq!(found("plain"), Ok(Endpoint::Tcp { host: "10.0.0.1".into(), port: 2375, tls: None }));
        let identity = Some((certificates.join("cert.pem"), certificates.join("key.pem")));
        let tls = Some(TlsFiles { ca: certificates.join("ca.pem"), identity, server_name: None });
        assert_eq!(found("safe"), Ok(Endpoint::Tcp { host: "engine.test".into(), port: 2376, tls }));
        assert!(found("odd").is_err_and(|error| error.contains("unix://, tcp:// and ssh:// are understood")));
        assert!(found("sly").is_err_and(|error| error.contains("hyphen")));
        assert!(found("nowhere").is_err_and(|error| error.contains("no context nowhere")));
    }

    #[test]
    fn a_context_that_verifies_nothing_is_refused() {
        let config = tempfile::tempdir().expect("a temporary directory");
        let id = oci::Digest::of(b"lax");
        let text = r#"{"Endpoints":{"docker":{"Host":"tcp://h:1","SkipTLSVerify":true}}}"#;
        write(&config.path().join("contexts/meta").join(id.hex()).join("meta.json"), text);
        write(&config.path().join("contexts/tls").join(id.hex()).join("docker/ca.pem"), "");
        assert!(context(Some(config.path()), "lax").is_err_and(|error| error.contains("not to verify")));
    }
}
