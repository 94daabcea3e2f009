//! Connections: one pool per way of trusting.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::config::Config;
use crate::error::Cause;

/// How a host is to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Trust {
    /// The certs.d directory of the host, when it has one.
    pub(crate) directory: Option<PathBuf>,
    /// Whether its certificate is verified.
    pub(crate) verified: bool,
    /// Whether TLS is spoken at all; without, no certificate is ever loaded.
    pub(crate) encrypted: bool,
    /// Whether the host is this machine, which is never behind a proxy.
    pub(crate) local: bool,
}

/// The connection pools, made when first needed.
#[derive(Default)]
pub(crate) struct Pools {
    clients: Mutex<BTreeMap<Trust, reqwest::Client>>,
    roots: OnceLock<RootCertStore>,
}

impl Pools {
    /// The pool for hosts that are trusted like this.
    pub(crate) fn client(&self, config: &Config, trust: &Trust) -> Result<reqwest::Client, Cause> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(trust) {
            return Ok(client.clone());
        }
        let client = self.build(config, trust)?;
        clients.insert(trust.clone(), client.clone());
        Ok(client)
    }

    fn build(&self, config: &Config, trust: &Trust) -> Result<reqwest::Client, Cause> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("shipsmith/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(self.tls(trust)?)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(config.timeouts.connect)
            .tcp_keepalive(std::time::Duration::from_secs(60))
            .http2_adaptive_window(true)
            .referer(false);
        if trust.local || !config.proxies {
            builder = builder.no_proxy();
        }
        builder.build().map_err(|error| Cause::protocol("the http client", error.to_string()))
    }

    fn tls(&self, trust: &Trust) -> Result<ClientConfig, Cause> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Cause::protocol("tls", error.to_string()))?;
        let files = trust.directory.as_deref().map(Files::read).transpose()?.unwrap_or_default();
        let builder = if trust.verified {
            builder.with_root_certificates(self.trusted(trust, &files))
        } else {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
        };
        let mut config = match files.identity {
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| file_problem(trust.directory.as_deref(), error.to_string()))?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// The public authorities, the machine's (or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`), and the host's own.
    fn trusted(&self, trust: &Trust, files: &Files) -> RootCertStore {
        if !trust.encrypted {
            return RootCertStore::empty();
        }
        let mut roots = self.roots.get_or_init(public_and_machine_roots).clone();
        roots.add_parsable_certificates(files.authorities.iter().cloned());
        roots
    }
}

fn public_and_machine_roots() -> RootCertStore {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let machine = rustls_native_certs::load_native_certs();
    for error in &machine.errors {
        tracing::debug!(%error, "a certificate of this machine cannot be read");
    }
    roots.add_parsable_certificates(machine.certs);
    roots
}

/// What a certs.d directory holds (containers-certs.d(5)): `*.crt` are authorities, `X.cert` with `X.key` is who we are.
#[derive(Default)]
struct Files {
    authorities: Vec<CertificateDer<'static>>,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

impl Files {
    fn read(dir: &Path) -> Result<Self, Cause> {
        let mut files = Self::default();
        for path in list(dir)? {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => files.authorities.extend(certificates(&path)?),
                Some("cert") if files.identity.is_none() => {
                    let key = path.with_extension("key");
                    let bytes = read(&key)?;
                    let key = PrivateKeyDer::from_pem_slice(&bytes)
                        .map_err(|error| file_problem(Some(&key), error.to_string()))?;
                    files.identity = Some((certificates(&path)?, key));
                }
                _ => {}
            }
        }
        Ok(files)
    }
}

fn list(dir: &Path) -> Result<Vec<PathBuf>, Cause> {
    let entries = fs::read_dir(dir).map_err(|error| file_problem(Some(dir), error.to_string()))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Cause> {
    let bytes = read(path)?;
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    parsed.map_err(|error| file_problem(Some(path), error.to_string()))
}

fn read(path: &Path) -> Result<Vec<u8>, Cause> {
    fs::read(path).map_err(|error| file_problem(Some(path), error.to_string()))
}

fn file_problem(path: Option<&Path>, problem: String) -> Cause {
    Cause::File { path: path.unwrap_or(Path::new("certs.d")).to_owned(), problem }
}

/// Accepts any certificate, for hosts that the user calls insecure.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
