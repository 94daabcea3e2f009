//! A token server that docker-registry trusts (Docker's registry token specification): signed JSON web tokens.

use std::collections::VecDeque;
use std::io::{self, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::faulty_proxy::{Head, Seen, Server, answer, read_body};

/// A running token server; it ends when it is dropped.
pub struct TokenServer {
    server: Server,
    dir: TempDir,
    seen: Arc<Mutex<Vec<Seen>>>,
    issuer: Arc<Issuer>,
}

/// Whom the server believes, and what its tokens are worth.
pub struct TokenOptions {
    user: Option<(String, String)>,
    identity_token: Option<String>,
    lifetimes: VecDeque<i64>,
    expires_in: u64,
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self { user: None, identity_token: None, lifetimes: VecDeque::new(), expires_in: 300 }
    }
}

impl TokenOptions {
    /// Gives tokens to this user only; without, to everybody.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.user = Some((name.to_owned(), password.to_owned()));
        self
    }

    /// Accepts this refresh token (POST) as well.
    #[must_use]
    pub fn identity_token(mut self, token: &str) -> Self {
        self.identity_token = Some(token.to_owned());
        self
    }

    /// The first tokens expire so many seconds after they are made (a registry 2.8 grants a minute more), whatever the
    /// server says; later ones are good.
    #[must_use]
    pub fn first_lifetimes(mut self, seconds: &[i64]) -> Self {
        self.lifetimes = seconds.iter().copied().collect();
        self
    }

    /// What the server says about its tokens' lifetime, in seconds.
    #[must_use]
    pub fn expires_in(mut self, seconds: u64) -> Self {
        self.expires_in = seconds;
        self
    }

    /// Starts the server.
    ///
    /// # Panics
    /// When no loopback port or no key is to be had.
    #[must_use]
    pub fn start(self) -> TokenServer {
        let made = rcgen::generate_simple_self_signed(vec!["token.test".to_owned()]).expect("a certificate");
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("token.crt"), made.cert.pem()).expect("written");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &made.signing_key.serialize_der());
        let issuer = Arc::new(Issuer {
            key: key.expect("a P-256 key"),
            certificate: STANDARD.encode(made.cert.der()),
            lifetimes: Mutex::new(self.lifetimes.clone()),
            options: self,
        });
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let server = Server::start({
            let issuer = Arc::clone(&issuer);
            move |client| issuer.serve(client, &log)
        });
        TokenServer { server, dir, seen, issuer }
    }
}

impl TokenServer {
    /// The name that the registry goes by.
    pub const SERVICE: &'static str = "test-registry";
    /// The name of the server in its tokens.
    pub const ISSUER: &'static str = "test-issuer";

    /// The address that a registry names as its realm.
    #[must_use]
    pub fn realm(&self) -> String {
        format!("http://{}/token", self.server.address())
    }

    /// The certificate that a registry verifies tokens with.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        Path::join(self.dir.path(), "token.crt")
    }

    /// A token for this scope, as somebody got it earlier.
    #[must_use]
    pub fn token(&self, scope: &str) -> String {
        self.issuer.sign(&[scope.to_owned()], 300)
    }

    /// All requests so far, oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Issuer {
    key: EcdsaKeyPair,
    certificate: String,
    lifetimes: Mutex<VecDeque<i64>>,
    options: TokenOptions,
}

impl Issuer {
    fn serve(&self, client: &TcpStream, log: &Mutex<Vec<Seen>>) -> io::Result<()> {
        let mut reader = BufReader::new(client);
        let Some(request) = Head::read(&mut reader)? else { return Ok(()) };
        let mut body = Vec::new();
        read_body(&request, &mut reader, &mut body)?;
        let seen = Seen {
            method: request.method().to_owned(),
            target: request.target().to_owned(),
            headers: request.headers.clone(),
        };
        log.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        match self.scopes(&request, &body) {
            Some(scopes) => answer(client, &request, 200, &[], &self.grant(&scopes).to_string()),
            None => {
                answer(client, &request, 401, &[], r#"{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}"#)
            }
        }
    }

    /// The scopes asked for, when the asker may have them.
    fn scopes(&self, request: &Head, body: &[u8]) -> Option<Vec<String>> {
        let query = request.target().split_once('?').map_or("", |(_, query)| query);
        let form = if request.method() == "POST" { body } else { query.as_bytes() };
        let pairs: Vec<_> = url::form_urlencoded::parse(form).into_owned().collect();
        let trusted = match request.method() {
            "POST" => {
                let token = pairs.iter().find(|(name, _)| name == "refresh_token").map(|(_, value)| value);
                token.is_some() && token == self.options.identity_token.as_ref()
            }
            _ => self.knows(request.header("authorization")),
        };
        let scopes = pairs.into_iter().filter(|(name, _)| name == "scope");
        trusted.then(|| scopes.flat_map(|(_, value)| value.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect())
    }

    fn knows(&self, authorization: Option<&str>) -> bool {
        let Some((name, password)) = &self.options.user else { return true };
        let expected = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
        authorization == Some(&expected)
    }

    fn grant(&self, scopes: &[String]) -> Value {
        let lifetime = self.lifetimes.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(300);
        json!({ "token": self.sign(scopes, lifetime), "expires_in": self.options.expires_in })
    }

    fn sign(&self, scopes: &[String], lifetime: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).cast_signed();
        let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": [self.certificate] });
        let claims = json!({
            "iss": TokenServer::ISSUER, "sub": "test", "aud": TokenServer::SERVICE, "jti": format!("{now}-{scopes:?}"),
            "iat": now - 600, "nbf": now - 600, "exp": now + lifetime,
            "access": scopes.iter().filter_map(|scope| access(scope)).collect::<Vec<_>>(),
        });
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).expect("signing works");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// `type:name:action,action` as the token says it.
fn access(scope: &str) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    Some(json!({ "type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>() }))
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}
