//! Reading answers: refusals, web pages, broken connections.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use crate::config::Config;
use crate::error::{Answer, Cause, ConnectProblem, quote};
use crate::retry::parse_retry_after;

/// A refusal's body is read up to here, in bytes.
const MAX_REFUSAL: usize = 64 * 1024;

/// The distribution specification's error body.
#[derive(Deserialize)]
struct Refusal {
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Passes a success on, and turns anything else but a redirect into the reason.
pub(crate) async fn success(response: Response, host: &str, config: &Config) -> Result<Response, Cause> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return Ok(response);
    }
    Err(Cause::Answer(refusal(response, host, config).await))
}

/// Reads a refusal, as far as it goes: a body that breaks is no further trouble.
pub(crate) async fn refusal(response: Response, host: &str, config: &Config) -> Answer {
    let status = response.status().as_u16();
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = asked.and_then(|text| parse_retry_after(text, config.clock.now()));
    let html = is_html(&response);
    let body = read_bounded(response, host, MAX_REFUSAL, config.timeouts.read).await.unwrap_or_default();
    let (code, message) = if html { (None, None) } else { words(&body) };
    Answer { host: host.to_owned(), status, code, message, retry_after }
}

fn words(body: &[u8]) -> (Option<String>, Option<String>) {
    let Some(problem) =
        serde_json::from_slice(body).ok().and_then(|refusal: Refusal| refusal.errors.into_iter().next())
    else {
        return (None, None);
    };
    let some = |text: &str| Some(quote(text)).filter(|text| !text.is_empty());
    (some(&problem.code), some(&problem.message))
}

/// Whether the answer is meant for a person's browser.
pub(crate) fn is_html(response: &Response) -> bool {
    let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type.is_some_and(|text| text.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

/// A header as text.
pub(crate) fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// Reads a whole body of at most `limit` bytes.
pub(crate) async fn read_bounded(
    mut response: Response,
    host: &str,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, Cause> {
    let announced = response.content_length();
    let mut body = BytesMut::new();
    while let Some(chunk) = in_time(host, patience, response.chunk()).await? {
        if body.len() + chunk.len() > limit {
            return Err(Cause::protocol(host, format!("the answer is longer than {limit} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    match announced {
        Some(expected) if expected != body.len() as u64 => {
            Err(Cause::Interrupted { host: host.to_owned(), message: "the answer is shorter than announced".into() })
        }
        _ => Ok(body.freeze()),
    }
}

/// Waits for the http client, but not for ever.
pub(crate) async fn in_time<T>(
    host: &str,
    patience: Duration,
    work: impl Future<Output = Result<T, reqwest::Error>>,
) -> Result<T, Cause> {
    match tokio::time::timeout(patience, work).await {
        Ok(outcome) => outcome.map_err(|error| connection(host, error)),
        Err(_) => Err(timeout(host)),
    }
}

/// Silence.
pub(crate) fn timeout(host: &str) -> Cause {
    Cause::Connect { host: host.to_owned(), problem: ConnectProblem::Timeout, message: String::new() }
}

/// Says what the http client's error means.
pub(crate) fn connection(host: &str, error: reqwest::Error) -> Cause {
    // The address may carry a signature or an upload's state.
    let error = error.without_url();
    let host = host.to_owned();
    let message = quote(&innermost(&error));
    let problem = chain(&error).find_map(classify);
    match problem {
        Some(problem) => Cause::Connect { host, problem, message },
        None if error.is_connect() => Cause::Connect { host, problem: ConnectProblem::Other, message },
        None if error.is_timeout() => Cause::Connect { host, problem: ConnectProblem::Timeout, message },
        None if error.is_builder() => Cause::Protocol { host, problem: message },
        None => Cause::Interrupted { host, message },
    }
}

fn classify(error: &(dyn StdError + 'static)) -> Option<ConnectProblem> {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(tls_problem(error));
    }
    if let Some(error) = error.downcast_ref::<io::Error>()
        && error.kind() == io::ErrorKind::ConnectionRefused
    {
        return Some(ConnectProblem::Refused);
    }
    error.to_string().starts_with("dns error").then_some(ConnectProblem::UnknownHost)
}

fn tls_problem(error: &rustls::Error) -> ConnectProblem {
    match error {
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => ConnectProblem::PlainHttp,
        _ => ConnectProblem::Tls,
    }
}

/// The error and its causes. An I/O error hides the one it wraps from `source`.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    })
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

/// Whether the status moves the request elsewhere.
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
