//! Who we are to a registry.
use crate::{Environment, Secret};
use std::path::PathBuf;
/// What proves who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user's name and password (or access token).
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A refresh token, exchanged for bearer tokens at the registry's token server.
    IdentityToken(Secret),
    /// A bearer token, sent as it is.
    RegistryToken(Secret),
}
/// Where `login` has put a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// In a file, readable by its owner only, not encrypted.
    File(PathBuf),
    /// With a credential helper, `docker-credential-NAME`.
    Helper(String),
}
/// Where credentials come from.
#[derive(Debug, Clone, Default)]
pub struct Credentials {}
impl Credentials {
    pub(crate) fn find(_: &Environment) -> Self {
        Self {}
    }
    /// Knows `credential` for `host` (`host[:port]`, as references name it), before any file.
    #[must_use]
    pub fn with(self, host: &str, credential: Credential) -> Self {
        let _ = (host, credential);
        self
    }
}
