//! Bearer tokens: fetched once per registry and scope, renewed before they expire or when the registry refuses them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::Serializer;

use super::challenge::Bearer;
use super::{Access, Challenge, Credential, encode, realm};
use crate::answer::{in_time, read_bounded, success};
use crate::error::{Answer, Cause};
use crate::host::Host;
use crate::secret::Secret;
use crate::transport::Transport;

/// The lifetime that the token specification gives to tokens without one.
const DEFAULT_LIFETIME: u64 = 60;
/// A token server's answer is read up to here, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;
/// Who we say we are in token requests.
const CLIENT_ID: &str = "shipsmith";

/// What is known about proving who we are to one registry.
#[derive(Debug, Default)]
pub(crate) struct Session {
    challenge: Mutex<Option<Challenge>>,
    tokens: Mutex<BTreeMap<Vec<String>, Slot>>,
}

/// One token; whoever holds the lock renews it while others wait.
type Slot = Arc<tokio::sync::Mutex<Option<Token>>>;

#[derive(Debug, Clone)]
struct Token {
    header: HeaderValue,
    renew_at: SystemTime,
}

#[derive(Deserialize)]
struct Issued {
    #[serde(alias = "access_token")]
    token: Option<String>,
    expires_in: Option<u64>,
}

impl Session {
    /// Remembers how the registry wants to be convinced.
    pub(crate) fn learn(&self, challenge: Challenge) {
        *self.challenge.lock().unwrap_or_else(PoisonError::into_inner) = Some(challenge);
    }

    fn challenge(&self) -> Option<Challenge> {
        self.challenge.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn slot(&self, access: &Access) -> Slot {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tokens.entry(access.scopes().to_vec()).or_default())
    }
}

impl Transport {
    /// The `Authorization` for a request, or `None` as long as the registry has not asked for one, or we have none.
    /// `refused` is the header that the registry has just refused; it is not returned again.
    pub(crate) async fn authorization(
        &self,
        host: &Host,
        access: &Access,
        refused: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, Cause> {
        let Some(challenge) = host.session.challenge() else { return Ok(None) };
        let credential = self.config.credentials.lookup(&host.name, access.path()).await?;
        let header = match (challenge, credential) {
            (Challenge::Basic, Some(Credential::Basic { username, password })) => Some(basic(&username, &password)?),
            (Challenge::Basic, _) => None,
            (Challenge::Bearer(_), Some(Credential::RegistryToken(token))) => Some(bearer(host, token.reveal())?),
            (Challenge::Bearer(bearer), credential) => {
                Some(self.token(host, access, &bearer, credential.as_ref(), refused).await?)
            }
        };
        Ok(header.filter(|header| Some(header) != refused))
    }

    /// Whether the user has a credential for the request at all.
    pub(crate) async fn has_credential(&self, host: &Host, access: &Access) -> bool {
        matches!(self.config.credentials.lookup(&host.name, access.path()).await, Ok(Some(_)))
    }

    async fn token(
        &self,
        host: &Host,
        access: &Access,
        server: &Bearer,
        credential: Option<&Credential>,
        refused: Option<&HeaderValue>,
    ) -> Result<HeaderValue, Cause> {
        let slot = host.session.slot(access);
        let mut kept = slot.lock().await;
        let now = self.config.clock.now();
        if let Some(token) = kept.as_ref().filter(|token| token.renew_at > now && Some(&token.header) != refused) {
            return Ok(token.header.clone());
        }
        let issued = self.issue(host, access, server, credential).await?;
        let token = Token::new(host, issued, now)?;
        let header = token.header.clone();
        *kept = Some(token);
        Ok(header)
    }

    /// Asks the token server: POST with an identity token (OAuth 2 refresh grant), GET otherwise.
    async fn issue(
        &self,
        host: &Host,
        access: &Access,
        server: &Bearer,
        credential: Option<&Credential>,
    ) -> Result<Issued, Cause> {
        let realm = realm::check(&host.name, &host.base, &server.realm)?;
        let place = realm.host_str().unwrap_or_default().to_owned();
        let client = self.client_for(&realm)?;
        let request = match credential {
            Some(Credential::IdentityToken(token)) => client
                .post(realm)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(refresh_grant(access, server, token)),
            Some(Credential::Basic { username, password }) => {
                let url = token_url(realm, access, server, Some(username));
                client.get(url).header(AUTHORIZATION, basic(username, password)?)
            }
            _ => client.get(token_url(realm, access, server, None)),
        };
        let patience = self.config.timeouts.read;
        let reply = in_time(&place, patience, request.send()).await?;
        let granted = success(reply, &place, &self.config).await;
        let granted = granted.map_err(|cause| refusal(cause, host, credential.is_some()))?;
        let body = read_bounded(granted, &place, MAX_ANSWER, patience).await?;
        serde_json::from_slice(&body)
            .map_err(|_| Cause::protocol(&place, format!("the token server of {} gave no token", host.name)))
    }
}

impl Token {
    fn new(host: &Host, issued: Issued, now: SystemTime) -> Result<Self, Cause> {
        let text = issued.token.unwrap_or_default();
        let lifetime = issued.expires_in.unwrap_or(DEFAULT_LIFETIME).min(7 * 24 * 3600);
        // Early enough that a request started now is still answered.
        let margin = (lifetime / 4).min(10);
        let renew_at = now + Duration::from_secs(lifetime - margin);
        Ok(Self { header: bearer(host, &text)?, renew_at })
    }
}

/// A token server's refusal is the registry's: the user logs in to the registry.
fn refusal(cause: Cause, host: &Host, had_credentials: bool) -> Cause {
    match cause {
        Cause::Answer(answer) if matches!(answer.status, 400 | 401 | 403) => {
            let message = format!("its token server {answer}");
            let answer = Answer { host: host.name.clone(), message: Some(message), ..answer };
            Cause::Unauthorized { answer, had_credentials }
        }
        other => other,
    }
}

fn token_url(mut realm: Url, access: &Access, server: &Bearer, account: Option<&str>) -> Url {
    {
        let mut query = realm.query_pairs_mut();
        if let Some(service) = &server.service {
            query.append_pair("service", service);
        }
        for scope in access.scopes() {
            query.append_pair("scope", scope);
        }
        query.append_pair("client_id", CLIENT_ID);
        if let Some(account) = account {
            query.append_pair("account", account);
        }
    }
    realm
}

fn refresh_grant(access: &Access, server: &Bearer, token: &Secret) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token").append_pair("client_id", CLIENT_ID);
    form.append_pair("service", server.service.as_deref().unwrap_or_default());
    form.append_pair("scope", &access.scopes().join(" ")).append_pair("refresh_token", token.reveal());
    form.finish()
}

/// The header of RFC 7617.
pub(crate) fn basic(username: &str, password: &Secret) -> Result<HeaderValue, Cause> {
    sensitive(&format!("Basic {}", encode(username, password).reveal()))
        .ok_or_else(|| Cause::protocol("credentials", "they cannot be sent in a header"))
}

fn bearer(host: &Host, token: &str) -> Result<HeaderValue, Cause> {
    let header = if token.is_empty() { None } else { sensitive(&format!("Bearer {token}")) };
    header.ok_or_else(|| Cause::protocol(&host.name, "its token server gave no usable token"))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}
