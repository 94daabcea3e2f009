//! What ADD downloads: a loopback HTTP server that knows a few answers by heart.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde::Deserialize;

use super::Entry;

/// One answer of the server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpAnswer {
    /// The path of the request, with its query.
    pub url: String,
    /// The status; 200 if nothing is said.
    #[serde(default = "ok")]
    pub status: u16,
    /// Additional headers; `{server}` in a value is the server's address.
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

/// An answer, ready to be sent.
struct Response {
    head: String,
    body: Vec<u8>,
}

impl Server {
    /// Starts a server on a free loopback port. What it does not know, it answers with 404.
    pub(super) fn start(answers: &[HttpAnswer]) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let responses = answers.iter().map(|answer| Ok((answer.url.clone(), answer.response(address)?)));
        let responses = responses.collect::<io::Result<BTreeMap<_, _>>>()?;
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming().take_while(|_| !stop.load(Ordering::Acquire)) {
                // A client that goes away is its own business: the test sees what it made of it.
                let _ = connection.and_then(|connection| answer(connection, &responses));
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
    fn response(&self, address: SocketAddr) -> io::Result<Response> {
        let body = self.body.as_ref().map_or(Ok(Vec::new()), Entry::bytes)?;
        let mut head = format!("HTTP/1.1 {} -\r\nConnection: close\r\nContent-Length: {}\r\n", self.status, body.len());
        for (name, value) in &self.headers {
            let value = value.replace("{server}", &format!("http://{address}"));
            head += &format!("{name}: {value}\r\n");
        }
        Ok(Response { head: head + "\r\n", body })
    }
}

fn answer(mut connection: TcpStream, responses: &BTreeMap<String, Response>) -> io::Result<()> {
    let mut lines = BufReader::new(connection.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for header in lines {
        if header?.is_empty() {
            break;
        }
    }
    let mut words = request.split(' ');
    let (method, url) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let Some(response) = responses.get(url) else {
        return connection.write_all(b"HTTP/1.1 404 -\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    };
    connection.write_all(response.head.as_bytes())?;
    if method != "HEAD" {
        connection.write_all(&response.body)?;
    }
    connection.flush()
}

fn ok() -> u16 {
    200
}
