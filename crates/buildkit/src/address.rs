//! What names a builder.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

use crate::Error;

/// Where a builder is, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// `unix://PATH`: BuildKit's socket.
    Unix(PathBuf),
    /// `tcp://HOST:PORT[?ca=FILE&cert=FILE&key=FILE&servername=NAME]`: TLS where certificates are given.
    Tcp {
        /// The host's name or address.
        host: String,
        /// Its port.
        port: u16,
        /// What proves both sides to each other.
        tls: Option<TlsFiles>,
    },
    /// `docker://`: the BuildKit inside the engine that DOCKER_HOST names, or the client's current context.
    /// `docker://CONTEXT` names a context of Docker's client, `docker:///PATH` a socket.
    Docker(Engine),
    /// `docker-container://NAME[?image=IMAGE&context=CONTEXT&config=FILE&restart=true]`: BuildKit in a container.
    Container(Container),
    /// `kube-pod://NAME[?namespace=NAME&container=NAME]`: BuildKit in a pod.
    Pod {
        /// The pod.
        name: String,
        /// Its namespace; kubectl's default without.
        namespace: Option<String>,
        /// Its container; the first without.
        container: Option<String>,
    },
    /// `ssh://[USER@]HOST[:PORT]`: BuildKit on another machine.
    Ssh {
        /// The machine, and the user there.
        host: String,
        /// The port, where it is not ssh's own.
        port: Option<u16>,
    },
}

/// Which Docker engine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// The one that Docker's client would talk to.
    Default,
    /// A context of Docker's client.
    Context(String),
    /// The one that listens there.
    Socket(PathBuf),
}

/// A container that BuildKit runs in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// `image`: what it is started from when it is absent or was started from another; only a running one will do without.
    pub image: Option<String>,
    /// `context`: the context of Docker's client that it is in.
    pub context: Option<String>,
    /// `config`: the buildkitd.toml that it is started with.
    pub config: Option<PathBuf>,
    /// `restart`: it is started anew, whatever is there.
    pub restart: bool,
}

/// Files in PEM form for mutual TLS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct TlsFiles {
    /// `ca`: who signed the builder's certificate; the machine's authorities are not asked.
    pub ca: PathBuf,
    /// `cert` and `key`: what we show the builder.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// `servername`: the name in the builder's certificate, where it is not the host's.
    pub server_name: Option<String>,
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).map_err(|reason| Error::Address { text: text.to_owned(), reason })
    }
}

fn parse(text: &str) -> Result<Address, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let mut options: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let address = match url.scheme() {
        "unix" => Address::Unix(socket(&url)?),
        "docker" => Address::Docker(engine(&url)?),
        "tcp" => Address::Tcp {
            host: host_of(&url)?,
            port: url.port().ok_or("there is no port in it")?,
            tls: tls(&mut options)?,
        },
        "docker-container" => Address::Container(Container {
            name: host_of(&url)?,
            image: options.remove("image"),
            context: options.remove("context"),
            config: options.remove("config").map(PathBuf::from),
            restart: truth(options.remove("restart"))?,
        }),
        "kube-pod" => Address::Pod {
            name: host_of(&url)?,
            namespace: options.remove("namespace"),
            container: options.remove("container"),
        },
        "ssh" => Address::Ssh { host: user_and_host(&url)?, port: url.port() },
        other => return Err(format!("the scheme {other} is not known")),
    };
    match options.keys().next() {
        Some(key) => Err(format!("the option {key} is not known there")),
        None => Ok(address),
    }
}

pub(crate) fn host_of(url: &Url) -> Result<String, String> {
    match url.host_str() {
        Some(name) if name.starts_with('-') => Err("a name begins with a hyphen".into()),
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err("there is no name in it".into()),
    }
}

/// An absolute path.
fn socket(url: &Url) -> Result<PathBuf, String> {
    match (url.host_str().unwrap_or_default(), url.path()) {
        ("", "" | "/") => Err("there is no path in it".into()),
        ("", path) => Ok(path.into()),
        (name, _) => Err(format!("{name} begins no absolute path")),
    }
}

fn engine(url: &Url) -> Result<Engine, String> {
    match (url.host_str().unwrap_or_default(), url.path()) {
        ("", "" | "/") => Ok(Engine::Default),
        ("", _) => socket(url).map(Engine::Socket),
        (_, "" | "/") => host_of(url).map(Engine::Context),
        _ => Err("after a context's name there is nothing more".into()),
    }
}

fn truth(text: Option<String>) -> Result<bool, String> {
    match text.as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(format!("restart is true or false, not {other}")),
    }
}

pub(crate) fn user_and_host(url: &Url) -> Result<String, String> {
    let host = host_of(url)?;
    match url.username() {
        "" => Ok(host),
        user if user.starts_with('-') => Err("a user's name begins with a hyphen".into()),
        user => Ok(format!("{user}@{host}")),
    }
}

fn tls(options: &mut BTreeMap<String, String>) -> Result<Option<TlsFiles>, String> {
    let mut take = |key: &str| options.remove(key);
    let (ca, cert, key, server_name) = (take("ca"), take("cert"), take("key"), take("servername"));
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert.into(), key.into())),
        (None, None) => None,
        _ => return Err("cert and key belong together".into()),
    };
    match ca {
        Some(ca) => Ok(Some(TlsFiles { ca: ca.into(), identity, server_name })),
        None if identity.is_some() || server_name.is_some() => Err("there is no ca in it".into()),
        None => Ok(None),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port, .. } => write!(f, "tcp://{host}:{port}"),
            Self::Docker(Engine::Default) => f.write_str("docker://"),
            Self::Docker(Engine::Context(name)) => write!(f, "docker://{name}"),
            Self::Docker(Engine::Socket(path)) => write!(f, "docker://{}", path.display()),
            Self::Container(container) => write!(f, "docker-container://{}", container.name),
            Self::Pod { name, .. } => write!(f, "kube-pod://{name}"),
            Self::Ssh { host, port: None } => write!(f, "ssh://{host}"),
            Self::Ssh { host, port: Some(port) } => write!(f, "ssh://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        text.parse::<Address>().expect_err("no address").to_string()
    }

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in [
            "unix:///run/b.sock",
            "tcp://host:1234",
            "docker://",
            "docker://context",
            "docker:///run/docker.sock",
            "docker-container://b",
            "ssh://u@host:22",
            "kube-pod://b-0",
        ] {
            assert_eq!(text.parse::<Address>().expect("an address").to_string(), text);
        }
    }

    #[test]
    fn certificates_are_options_of_tcp() {
        let address = "tcp://h:1?ca=/ca.pem&cert=/c.pem&key=/k.pem".parse::<Address>().expect("an address");
        let identity = Some(("/c.pem".into(), "/k.pem".into()));
        let tls = Some(TlsFiles { ca: "/ca.pem".into(), identity, server_name: None });
        assert_eq!(address, Address::Tcp { host: "h".into(), port: 1, tls });
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        assert!(refusal("tcp://h").contains("no port"));
        assert!(refusal("tcp://h:1?cert=/c").contains("belong together"));
        assert!(refusal("unix:///s?x=1").contains("option x"));
        assert!(refusal("ftp://h").contains("scheme ftp"));
        assert!(refusal("ssh://-oProxyCommand=x").contains("hyphen"));
    }
}
