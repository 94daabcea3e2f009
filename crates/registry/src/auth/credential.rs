//! What proves who we are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::secret::Secret;

/// What proves who we are to a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user's name and password (or personal access token).
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

impl Credential {
    /// A name and a password; the name `<token>` is the credential helpers' way to say that the other is an identity token.
    pub(crate) fn from_pair(username: String, password: Secret) -> Self {
        if username == "<token>" { Self::IdentityToken(password) } else { Self::Basic { username, password } }
    }

    /// Reads the `auth` field of Docker's config: base64 of `user:password`.
    pub(crate) fn from_encoded(encoded: &str) -> Option<Self> {
        let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (username, password) = text.split_once(':')?;
        let password = password.trim_matches('\0');
        Some(Self::from_pair(username.to_owned(), Secret::new(password)))
    }
}

/// Base64 of `user:password`, for the `auth` field and for the header of RFC 7617.
pub(crate) fn encode(username: &str, password: &Secret) -> Secret {
    Secret::new(STANDARD.encode(format!("{username}:{}", password.reveal())))
}
