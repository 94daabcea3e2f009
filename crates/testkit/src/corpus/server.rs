//! What ADD downloads: a loopback HTTP server that knows a few answers by heart.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde::Deserialize;

use super::{Entry, git};

/// One answer of the server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpAnswer {
    /// The path of the request, with its query.
    pub url: String,
    /// The status; 200 if nothing is said.
    #[serde(default = "ok")]
    pub status: u16,
    /// Additional headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body, as the content an entry would have.
    pub body: Option<Entry>,
}

/// A running server. Stops when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What a server has: answers, and git repositories by the path of their address.
pub(super) struct Content {
    answers: BTreeMap<String, Response>,
    repositories: BTreeMap<String, PathBuf>,
}

struct Response {
    head: String,
    body: Vec<u8>,
}

/// What the server looks at in a request.
#[derive(Default)]
struct Request {
    method: String,
    url: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Content {
    pub(super) fn new(answers: &[HttpAnswer], repositories: BTreeMap<String, PathBuf>) -> io::Result<Self> {
        let answers = answers.iter().map(|answer| Ok((answer.url.clone(), answer.response()?)));
        Ok(Self { answers: answers.collect::<io::Result<_>>()?, repositories })
    }

    fn answer(&self, mut connection: TcpStream) -> io::Result<()> {
        let request = Request::read(&mut connection)?;
        let git = self.git(&request)?;
        let Some(response) = git.as_ref().or_else(|| self.answers.get(&request.url)) else {
            return connection.write_all(Response::new(404, "", Vec::new()).head.as_bytes());
        };
        connection.write_all(response.head.as_bytes())?;
        if request.method != "HEAD" {
            connection.write_all(&response.body)?;
        }
        connection.flush()
    }

    /// The answer of git's smart protocol, if the request is one of its two.
    fn git(&self, request: &Request) -> io::Result<Option<Response>> {
        let protocol = request.headers.get("git-protocol").map_or("", String::as_str);
        for (url, dir) in &self.repositories {
            let (kind, body) = match request.url.strip_prefix(url) {
                Some("/info/refs?service=git-upload-pack") => ("advertisement", git::advertise(dir, protocol)?),
                Some("/git-upload-pack") => ("result", git::pack(dir, protocol, &request.body)?),
                _ => continue,
            };
            let header = format!("Content-Type: application/x-git-upload-pack-{kind}\r\n");
            return Ok(Some(Response::new(200, &header, body)));
        }
        Ok(None)
    }
}

impl Server {
    /// Starts a server on a free loopback port. What it does not know, it answers with 404.
    pub(super) fn start(content: Content) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming().take_while(|_| !stop.load(Ordering::Acquire)) {
                // A client that goes away is its own business: the test sees what it made of it.
                let _ = connection.and_then(|connection| content.answer(connection));
            }
        });
        Ok(Self { address, stopping, thread: Some(thread) })
    }

    /// The server's address, for example `http://127.0.0.1:4711`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

impl HttpAnswer {
    fn response(&self) -> io::Result<Response> {
        let body = self.body.as_ref().map_or(Ok(Vec::new()), Entry::bytes)?;
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Ok(Response::new(self.status, &headers, body))
    }
}

impl Response {
    fn new(status: u16, headers: &str, body: Vec<u8>) -> Self {
        let length = body.len();
        let head = format!("HTTP/1.1 {status} -\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n");
        Self { head, body }
    }
}

impl Request {
    fn read(connection: &mut TcpStream) -> io::Result<Self> {
        let mut reader = BufReader::new(connection);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let mut request =
            Self { method: words.next().unwrap_or_default(), url: words.next().unwrap_or_default(), ..Self::default() };
        for header in reader.by_ref().lines() {
            match header?.split_once(':') {
                Some((name, value)) => request.headers.insert(name.to_lowercase(), value.trim().to_owned()),
                None => break,
            };
        }
        request.read_body(reader)?;
        Ok(request)
    }

    fn read_body(&mut self, reader: impl Read) -> io::Result<()> {
        let length = self.headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let reader = reader.take(length);
        match self.headers.get("content-encoding").map(String::as_str) {
            Some("gzip") => flate2::read::GzDecoder::new(reader).read_to_end(&mut self.body)?,
            _ => { reader }.read_to_end(&mut self.body)?,
        };
        Ok(())
    }
}

fn ok() -> u16 {
    200
}
