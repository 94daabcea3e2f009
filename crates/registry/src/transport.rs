//! One request, from the address to the answer: proof of identity, redirects, refusals, repetition.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, Response, StatusCode};
use tokio::sync::OnceCell;
use url::Url;

use crate::answer::{connection, header, in_time, is_redirect, read_bounded, refusal, success};
use crate::auth::{Access, Challenge};
use crate::config::Config;
use crate::error::{Cause, ConnectProblem, quote};
use crate::host::{self, Candidate, Host};
use crate::tls::{Pools, Trust};

/// How many redirects are followed in a row.
const MAX_REDIRECTS: usize = 5;
/// How often a request is sent in all when the registry refuses the proof of identity: without, with a kept token, with
/// a fresh one.
const MAX_PROOFS: usize = 3;
/// What a registry answers when it is only asked whether it is there is read up to here, in bytes.
const MAX_GREETING: usize = 64 * 1024;

/// What all clones of a client share.
pub(crate) struct Transport {
    pub(crate) config: Config,
    pools: Pools,
    hosts: Mutex<BTreeMap<(String, bool), HostCell>>,
    /// Who has answered anything so far, as errors name them.
    answered: Mutex<BTreeSet<String>>,
}

type HostCell = Arc<OnceCell<Arc<Host>>>;

/// A request that can be sent again.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) access: Access,
    pub(crate) body: Payload<'a>,
}

/// The body of a request; made anew whenever the request is sent.
pub(crate) enum Payload<'a> {
    Empty,
    Whole(bytes::Bytes),
    Made(&'a (dyn Fn() -> Result<Body, Cause> + Sync)),
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: Method, url: Url, access: Access) -> Self {
        Self { method, url, headers: HeaderMap::new(), access, body: Payload::Empty }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(crate) fn body(mut self, body: Payload<'a>) -> Self {
        self.body = body;
        self
    }
}

impl Transport {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, pools: Pools::default(), hosts: Mutex::default(), answered: Mutex::default() }
    }

    /// The registry `name`; the first call finds out how it is reached.
    pub(crate) async fn host(&self, name: &str, insecure: bool) -> Result<Arc<Host>, Cause> {
        let key = (name.to_owned(), insecure);
        let cell = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(hosts.entry(key).or_default())
        };
        cell.get_or_try_init(|| self.find(name, insecure)).await.cloned()
    }

    async fn find(&self, name: &str, insecure: bool) -> Result<Arc<Host>, Cause> {
        let candidates = host::candidates(name, insecure, &self.config.certificate_dirs)?;
        let several = candidates.len() > 1;
        let mut first_failure = None;
        for Candidate { base, trust } in candidates {
            let client = self.pools.client(&self.config, &trust)?;
            let host = Host::new(name, base, client, self.config.limits);
            match if several { self.probe(&host).await } else { Ok(()) } {
                Ok(()) => return Ok(Arc::new(host)),
                Err(cause) => first_failure = first_failure.or(Some(cause)),
            }
        }
        Err(first_failure.unwrap_or_else(|| Cause::protocol(name, "there is no way to reach it")))
    }

    /// Whether somebody at the host's address speaks its scheme. A Go server answers http on its https port with 400.
    async fn probe(&self, host: &Host) -> Result<(), Cause> {
        let url = host.url("")?;
        let response = in_time(&host.name, self.config.timeouts.read, host.client.get(url).send()).await?;
        self.remember(&host.name);
        if let Some(challenge) = Challenge::from_headers(response.headers()) {
            host.session.learn(challenge);
        }
        if response.status() == StatusCode::BAD_REQUEST && host.base.scheme() == "http" {
            return Err(Cause::Answer(refusal(response, &host.name, &self.config).await));
        }
        // Nobody asks what it says, but a connection whose answer was read serves the next request, too.
        let _ = read_bounded(response, &host.name, MAX_GREETING, self.config.timeouts.read).await;
        Ok(())
    }

    /// The pool for an address outside any registry: a token server, the target of a redirect.
    pub(crate) fn client_for(&self, url: &Url) -> Result<reqwest::Client, Cause> {
        let bare = url.host_str().unwrap_or_default();
        let address = url.port().map_or_else(|| bare.to_owned(), |port| format!("{bare}:{port}"));
        let directory = host::directory(&address, &self.config.certificate_dirs);
        let encrypted = url.scheme() == "https";
        let trust = Trust { directory, verified: true, encrypted, local: host::is_local(&address) };
        self.pools.client(&self.config, &trust)
    }

    /// Sends a request and repeats it while its failures are of the passing kind.
    pub(crate) async fn send_patiently(&self, host: &Host, call: &Call<'_>) -> Result<Response, Cause> {
        self.patiently(|| self.send(host, call)).await
    }

    /// Repeats `attempt` while its failures are of the passing kind, as the retry policy says.
    pub(crate) async fn patiently<T, F>(&self, attempt: impl Fn() -> F + Send) -> Result<T, Cause>
    where
        F: Future<Output = Result<T, Cause>> + Send,
    {
        self.while_passing(Cause::is_transient, attempt).await
    }

    /// Repeats `attempt` while `passing` says of its failures that they may be gone a moment later.
    pub(crate) async fn while_passing<T, F>(
        &self,
        passing: impl Fn(&Cause) -> bool + Send,
        attempt: impl Fn() -> F + Send,
    ) -> Result<T, Cause>
    where
        F: Future<Output = Result<T, Cause>> + Send,
    {
        let mut done = 0;
        loop {
            done += 1;
            match attempt().await {
                Err(cause) if passing(&cause) => self.pause(done, cause).await?,
                result => return result,
            }
        }
    }

    /// Waits before attempt `done + 1`, or returns the cause when there is to be none.
    pub(crate) async fn pause(&self, done: u32, cause: Cause) -> Result<(), Cause> {
        let delay = match &cause {
            Cause::Connect { host, problem: ConnectProblem::Refused, .. } if !self.knows(host) => {
                self.config.retry.delay_of_stranger(done)
            }
            _ => self.config.retry.delay(done, cause.retry_after()),
        };
        let Some(delay) = delay else { return Err(cause) };
        tracing::debug!(%cause, ?delay, "trying again");
        self.config.clock.sleep(delay).await;
        Ok(())
    }

    fn remember(&self, place: &str) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        if !answered.contains(place) {
            answered.insert(place.to_owned());
        }
    }

    fn knows(&self, place: &str) -> bool {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).contains(place)
    }

    /// Sends a request once, but as often as it takes to prove who we are. The result is a success (2xx or 3xx without
    /// a redirect).
    pub(crate) async fn send(&self, host: &Host, call: &Call<'_>) -> Result<Response, Cause> {
        let _permit = match call.body {
            Payload::Made(_) => None,
            Payload::Empty | Payload::Whole(_) => host.requests.acquire().await.ok(),
        };
        let own = host.owns(&call.url);
        let mut proof = if own { self.authorization(host, &call.access, None).await? } else { None };
        let mut sent = 0;
        loop {
            let response = self.once(host, call, proof.as_ref()).await?;
            if response.status() != StatusCode::UNAUTHORIZED || !own {
                return success(response, &place(host, &call.url), &self.config).await;
            }
            if let Some(challenge) = Challenge::from_headers(response.headers()) {
                host.session.learn(challenge);
            }
            sent += 1;
            let another = match sent {
                MAX_PROOFS => None,
                _ => self.authorization(host, &call.access, proof.as_ref()).await?,
            };
            if another.is_none() {
                return Err(self.unconvinced(host, call, response).await);
            }
            proof = another;
        }
    }

    /// Why the registry does not believe us.
    async fn unconvinced(&self, host: &Host, call: &Call<'_>, response: Response) -> Cause {
        let had_credentials = self.has_credential(host, &call.access).await;
        let answer = refusal(response, &host.name, &self.config).await;
        Cause::Unauthorized { answer, had_credentials }
    }

    /// Sends a request and follows its redirects. Only the registry's own origin sees `proof`.
    async fn once(&self, host: &Host, call: &Call<'_>, proof: Option<&HeaderValue>) -> Result<Response, Cause> {
        let mut url = call.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.hop(host, call, &url, proof).await?;
            if !is_redirect(response.status()) {
                return Ok(response);
            }
            if call.method != Method::GET && call.method != Method::HEAD {
                return Err(Cause::protocol(&place(host, &url), "it redirects an upload, which is not followed"));
            }
            url = next_address(host, &url, header(&response, "location"))?;
        }
        Err(Cause::protocol(&host.name, format!("it redirects more than {MAX_REDIRECTS} times")))
    }

    async fn hop(
        &self,
        host: &Host,
        call: &Call<'_>,
        url: &Url,
        proof: Option<&HeaderValue>,
    ) -> Result<Response, Cause> {
        let own = host.owns(url);
        let client = if own { host.client.clone() } else { self.client_for(url)? };
        let mut request = client.request(call.method.clone(), url.clone()).headers(call.headers.clone());
        if let Some(proof) = proof.filter(|_| own) {
            request = request.header(AUTHORIZATION, proof);
        }
        let place = place(host, url);
        let patience = self.config.timeouts.read;
        let response = match &call.body {
            Payload::Empty => in_time(&place, patience, request.send()).await,
            Payload::Whole(bytes) => in_time(&place, patience, request.body(bytes.clone()).send()).await,
            // It takes as long as its bytes do; who makes them knows.
            Payload::Made(make) => request.body(make()?).send().await.map_err(|error| connection(&place, error)),
        }?;
        self.remember(&place);
        Ok(response)
    }
}

/// Who is at `url`, for errors: the registry by its name, others by their host.
pub(crate) fn place(host: &Host, url: &Url) -> String {
    if host.owns(url) { host.name.clone() } else { quote(url.host_str().unwrap_or_default()) }
}

/// Where a `Location` header leads.
pub(crate) fn next_address(host: &Host, from: &Url, location: Option<&str>) -> Result<Url, Cause> {
    let bad = |problem: &str| Cause::protocol(&place(host, from), problem);
    let location = location.ok_or_else(|| bad("it sends us elsewhere without saying where"))?;
    let next = from.join(location).map_err(|_| bad("it sends us to something that is no address"))?;
    if !next.username().is_empty() || next.password().is_some() {
        return Err(bad("it sends us to an address that carries credentials"));
    }
    match (from.scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => Ok(next),
        ("https", "http") => Err(Cause::Downgrade { from: place(host, from), to: quote(&bare(&next)) }),
        _ => Err(bad("it sends us to something that is no web address")),
    }
}

/// An address without its query, which may hold a signature.
fn bare(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;

    fn leads(base: &str, location: &str) -> Result<String, Cause> {
        let base = Url::parse(base).expect("an address");
        let host = Host::new("r.example", base.clone(), reqwest::Client::new(), Limits::default());
        next_address(&host, &base, Some(location)).map(String::from)
    }

    #[test]
    fn locations_are_relative_or_whole_and_never_less_encrypted() {
        assert_eq!(leads("https://r.example/v2/", "/up?x=1").expect("relative"), "https://r.example/up?x=1");
        assert_eq!(leads("https://r.example/", "https://cdn.example/b").expect("whole"), "https://cdn.example/b");
        assert_eq!(leads("http://r.example/", "http://r.example/b").expect("plain"), "http://r.example/b");
        let error = leads("https://r.example/", "http://r.example/b?signature=s3cret").expect_err("less encrypted");
        assert!(matches!(error, Cause::Downgrade { .. }));
        assert!(!error.to_string().contains("s3cret"), "{error}");
        for location in ["ftp://r.example/", "file:///etc/passwd", "https://ann:pw@r.example/", "https://"] {
            assert!(leads("https://r.example/", location).is_err(), "{location}");
        }
    }
}
