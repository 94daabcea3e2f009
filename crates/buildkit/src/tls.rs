//! Mutual TLS to a builder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{Address, Error, TlsFiles};

/// Why there is no TLS connection: a file of ours, or what came over the wire.
pub(crate) enum Failure {
    File(PathBuf, String),
    Wire(String),
}

impl Failure {
    pub(crate) fn into_error(self, address: &Address) -> Error {
        match self {
            Self::File(path, reason) => Error::Certificate { path, reason },
            Self::Wire(reason) => Error::Connect { builder: address.to_string(), reason },
        }
    }
}

/// Speaks TLS over `stream`, and in it `protocol`, by its name in ALPN.
pub(crate) async fn wrap(
    stream: TcpStream,
    host: &str,
    files: &TlsFiles,
    protocol: &[u8],
) -> Result<TlsStream<TcpStream>, Failure> {
    let name = files.server_name.as_deref().unwrap_or(host).trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(name).map_err(|error| Failure::Wire(error.to_string()))?;
    let connector = TlsConnector::from(Arc::new(config(files, protocol)?));
    connector.connect(name, stream).await.map_err(|error| Failure::Wire(error.to_string()))
}

fn config(files: &TlsFiles, protocol: &[u8]) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&files.ca)? {
        roots.add(certificate).map_err(|error| unusable(&files.ca, &error))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Failure::Wire(error.to_string()))?.with_root_certificates(roots);
    let mut config = match &files.identity {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
            builder.with_client_auth_cert(certificates(cert)?, secret).map_err(|error| unusable(cert, &error))?
        }
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| unusable(path, &error))?;
    read.collect::<Result<_, _>>().map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::File(path.to_owned(), error.to_string())
}
