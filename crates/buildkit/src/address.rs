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
    /// `docker://`: the BuildKit inside the engine that DOCKER_HOST names; `docker://PATH` names the socket.
    Docker(Option<PathBuf>),
    /// `docker-container://NAME`: BuildKit in a running container.
    Container(String),
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
        "unix" => Address::Unix(socket(&url)?.ok_or("there is no path in it")?),
        "docker" => Address::Docker(socket(&url)?),
        "tcp" => Address::Tcp {
            host: name(&url)?,
            port: url.port().ok_or("there is no port in it")?,
            tls: tls(&mut options)?,
        },
        "docker-container" => Address::Container(name(&url)?),
        "kube-pod" => Address::Pod {
            name: name(&url)?,
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

fn name(url: &Url) -> Result<String, String> {
    match url.host_str() {
        Some(name) if name.starts_with('-') => Err("a name begins with a hyphen".into()),
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err("there is no name in it".into()),
    }
}

/// An absolute path; a name in its place would be a context of Docker's client.
fn socket(url: &Url) -> Result<Option<PathBuf>, String> {
    match (url.host_str().unwrap_or_default(), url.path()) {
        ("", "" | "/") => Ok(None),
        ("", path) => Ok(Some(path.into())),
        (name, _) => Err(format!("{name} is no absolute path, and contexts of Docker's client are not read yet")),
    }
}

fn user_and_host(url: &Url) -> Result<String, String> {
    let host = name(url)?;
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
            Self::Docker(None) => f.write_str("docker://"),
            Self::Docker(Some(path)) => write!(f, "docker://{}", path.display()),
            Self::Container(name) => write!(f, "docker-container://{name}"),
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
