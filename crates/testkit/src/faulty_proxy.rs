//! A bad network: an HTTP proxy that stands between a client and a real registry and does to chosen requests what networks
//! and broken servers do. It also writes down every request, so it is a canary for credentials as well.
//!
//! Each connection carries one request. Nothing is timed; a request that is stalled waits for its client to give up.

mod http;

use std::collections::VecDeque;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

pub(crate) use http::{Head, Server, read_body};

/// A proxy in front of one server; it ends when it is dropped.
pub struct FaultyProxy {
    server: Server,
    script: Arc<Script>,
}

/// One request as the proxy saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Seen {
    /// The value of a header field, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection ends after so many bytes of the request's body were passed on, at the latest at its announced end.
    CutRequest(u64),
    /// The connection ends after so many bytes of the answer's body were passed on.
    CutResponse(u64),
    /// So many bytes of the request's body are passed on, the rest is swallowed, and no answer comes.
    StallRequest(u64),
    /// After so many bytes of the answer's body nothing more comes, and the connection stays.
    StallResponse(u64),
    /// The server does what it was asked, and nobody hears of it.
    LoseResponse,
    /// One bit of the answer's body, in the byte at this offset, is turned.
    FlipBit(u64),
    /// The answer's `Content-Length` is off by so much.
    WrongLength(i64),
    /// The proxy answers in the server's place.
    Answer {
        /// The status.
        status: u16,
        /// Header fields.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
}

impl Fault {
    /// An empty answer.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::with_header(status, &[])
    }

    /// An empty answer with header fields.
    #[must_use]
    pub fn with_header(status: u16, headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::Answer { status, headers, body: String::new() }
    }

    /// A page for people.
    #[must_use]
    pub fn html() -> Self {
        let headers = vec![("Content-Type".to_owned(), "text/html; charset=utf-8".to_owned())];
        Self::Answer { status: 200, headers, body: "<html><body>Please sign in</body></html>".to_owned() }
    }

    /// A redirect.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        Self::with_header(307, &[("Location", location)])
    }
}

struct Rule {
    method: String,
    part: String,
    left: usize,
    fault: Fault,
}

#[derive(Default)]
struct Script {
    rules: Mutex<VecDeque<Rule>>,
    seen: Mutex<Vec<Seen>>,
    /// Told of every request.
    arrival: Condvar,
}

impl FaultyProxy {
    /// Starts a proxy in front of `upstream` (`host:port`), so far an honest one.
    ///
    /// # Panics
    /// When no loopback port is to be had.
    #[must_use]
    pub fn start(upstream: &str) -> Self {
        let script = Arc::new(Script::default());
        let (upstream, shared) = (upstream.to_owned(), Arc::clone(&script));
        let server = Server::start(move |client| pass(client, &upstream, &shared));
        Self { server, script }
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        self.server.address()
    }

    /// Does `fault` to the next `times` requests of this method whose target contains `part`.
    pub fn fault(&self, times: usize, method: &str, part: &str, fault: Fault) -> &Self {
        let rule = Rule { method: method.to_owned(), part: part.to_owned(), left: times, fault };
        self.script.rules.lock().unwrap_or_else(PoisonError::into_inner).push_back(rule);
        self
    }

    /// All requests so far, oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.script.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns as soon as a request of this method whose target contains `part` has come.
    pub fn wait_for(&self, method: &str, part: &str) {
        let seen = self.script.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let missing =
            |seen: &mut Vec<Seen>| !seen.iter().any(|seen| seen.method == method && seen.target.contains(part));
        drop(self.script.arrival.wait_while(seen, missing));
    }

    /// How many requests of this method had a target that contains `part`.
    #[must_use]
    pub fn count(&self, method: &str, part: &str) -> usize {
        self.seen().iter().filter(|seen| seen.method == method && seen.target.contains(part)).count()
    }
}

impl Script {
    fn record(&self, head: &Head) {
        let (method, target) = (head.method().to_owned(), head.target().to_owned());
        let seen = Seen { method, target, headers: head.headers.clone() };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        self.arrival.notify_all();
    }

    fn next(&self, head: &Head) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let fits =
            |rule: &&mut Rule| rule.left > 0 && rule.method == head.method() && head.target().contains(&rule.part);
        let rule = rules.iter_mut().find(fits)?;
        rule.left -= 1;
        Some(rule.fault.clone())
    }
}

/// Carries one request and its answer.
fn pass(client: &TcpStream, upstream: &str, script: &Script) -> io::Result<()> {
    let mut from_client = BufReader::new(client);
    let Some(request) = Head::read(&mut from_client)? else { return Ok(()) };
    script.record(&request);
    let fault = script.next(&request);
    if let Some(Fault::Answer { status, headers, body }) = &fault {
        read_body(&request, &mut from_client, &mut io::sink())?;
        return answer(client, &request, *status, headers, body);
    }
    let server = TcpStream::connect(upstream)?;
    (&server).write_all(&request.closing())?;
    if let Some(Fault::CutRequest(after)) = fault {
        let end = request.header("content-length").map_or(u64::MAX, |_| request.length());
        io::copy(&mut from_client.take(after.min(end)), &mut &server)?;
        server.shutdown(Shutdown::Both)?;
        return client.shutdown(Shutdown::Both);
    }
    if let Some(Fault::StallRequest(after)) = fault {
        io::copy(&mut from_client.by_ref().take(after), &mut &server)?;
        return io::copy(&mut from_client, &mut io::sink()).map(drop);
    }
    // A server that has heard enough answers early and stops reading.
    let _ = read_body(&request, &mut from_client, &mut &server);
    respond(client, &server, fault.as_ref())?;
    match fault {
        Some(Fault::StallResponse(_)) => io::copy(&mut from_client, &mut io::sink()).map(drop),
        _ => client.shutdown(Shutdown::Write),
    }
}

fn respond(mut client: &TcpStream, server: &TcpStream, fault: Option<&Fault>) -> io::Result<()> {
    let mut from_server = BufReader::new(server);
    let Some(mut response) = Head::read(&mut from_server)? else { return Ok(()) };
    match fault {
        Some(Fault::LoseResponse) => return client.shutdown(Shutdown::Both),
        Some(Fault::WrongLength(delta)) => response.change_length(*delta),
        _ => {}
    }
    client.write_all(&response.closing())?;
    match fault {
        Some(Fault::CutResponse(after) | Fault::StallResponse(after)) => {
            io::copy(&mut from_server.take(*after), &mut client)?;
        }
        Some(Fault::FlipBit(at)) => {
            io::copy(&mut from_server.by_ref().take(*at), &mut client)?;
            let mut byte = [0];
            from_server.read_exact(&mut byte)?;
            client.write_all(&[byte[0] ^ 1])?;
            io::copy(&mut from_server, &mut client)?;
        }
        _ => {
            io::copy(&mut from_server, &mut client)?;
        }
    }
    Ok(())
}

pub(crate) fn answer(
    mut client: &TcpStream,
    request: &Head,
    status: u16,
    headers: &[(String, String)],
    body: &str,
) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} Scripted\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    if request.method() != "HEAD" {
        text.push_str(body);
    }
    client.write_all(text.as_bytes())?;
    client.shutdown(Shutdown::Write)
}
