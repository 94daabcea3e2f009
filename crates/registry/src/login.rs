//! `login`: credentials are tried before they are kept.

use reqwest::Method;

use crate::auth::{Access, Credential, Stored};
use crate::error::Cause;
use crate::secret::Secret;
use crate::transport::{Call, Transport};

/// Tries the name and password on the API's root, and stores them when they are accepted.
pub(crate) async fn login(
    transport: &Transport,
    host: &str,
    username: &str,
    password: Secret,
) -> Result<Stored, Cause> {
    let credential = Credential::Basic { username: username.to_owned(), password: password.clone() };
    verify(transport, host, credential).await?;
    transport.config.credentials.store(host, username, &password).await
}

/// The client's own sessions keep what they know: the attempt has a transport of its own.
async fn verify(transport: &Transport, host: &str, credential: Credential) -> Result<(), Cause> {
    let mut config = transport.config.clone();
    config.credentials = config.credentials.with(host, credential);
    let attempt = Transport::new(config);
    let insecure = attempt.config.registries.is_insecure(host)?;
    let registry = attempt.patiently(|| attempt.host(host, insecure)).await?;
    let call = Call::new(Method::GET, registry.url("")?, Access::identity());
    attempt.send_patiently(&registry, &call).await.map(drop)
}
