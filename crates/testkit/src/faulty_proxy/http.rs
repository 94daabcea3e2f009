//! As much of HTTP/1.1 as a test server needs: one request a connection.

use std::io::{self, BufRead, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Accepts connections on a free loopback port until it is dropped.
pub(crate) struct Server {
    address: String,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves every connection on a thread of its own. What goes wrong on a connection ends that connection.
    pub(crate) fn start(serve: impl Fn(&TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
        let address = listener.local_addr().expect("the port just bound").to_string();
        let ended = Arc::new(AtomicBool::new(false));
        let (stop, serve) = (Arc::clone(&ended), Arc::new(serve));
        let thread = std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || drop(serve(&client)));
            }
        });
        Self { address, ended, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // The accepting thread looks at the flag when somebody comes.
        if TcpStream::connect(&self.address).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

/// The first line and the header fields of a message.
#[derive(Debug)]
pub(crate) struct Head {
    first: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// Reads up to the empty line; `None` when the connection ended before the first line.
    pub(crate) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let first = line(reader)?;
        if first.is_empty() {
            return Ok(None);
        }
        let mut headers = Vec::new();
        loop {
            let field = line(reader)?;
            if field.is_empty() {
                return Ok(Some(Self { first, headers }));
            }
            let (name, value) = field.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    pub(crate) fn method(&self) -> &str {
        self.first.split(' ').next().unwrap_or_default()
    }

    pub(crate) fn target(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn length(&self) -> u64 {
        self.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn change_length(&mut self, delta: i64) {
        let length = self.length().saturating_add_signed(delta).to_string();
        self.headers.retain(|(name, _)| name != "content-length");
        self.headers.push(("content-length".to_owned(), length));
    }

    /// The head as it is passed on, with the wish that the connection ends after this message.
    pub(crate) fn closing(&self) -> Vec<u8> {
        let kept = self.headers.iter().filter(|(name, _)| name != "connection" && name != "keep-alive");
        let fields: String = kept.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{}\r\n{fields}connection: close\r\n\r\n", self.first).into_bytes()
    }
}

/// Copies a request's body, in its own encoding.
pub(crate) fn read_body(head: &Head, reader: &mut impl BufRead, writer: &mut impl Write) -> io::Result<()> {
    if head.header("transfer-encoding").is_none_or(|encoding| !encoding.eq_ignore_ascii_case("chunked")) {
        return io::copy(&mut reader.take(head.length()), writer).map(drop);
    }
    loop {
        let size = line(reader)?;
        let length = u64::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16);
        let length = length.map_err(|_| io::ErrorKind::InvalidData)?;
        write!(writer, "{size}\r\n")?;
        io::copy(&mut reader.take(length), writer)?;
        line(reader)?;
        writer.write_all(b"\r\n")?;
        if length == 0 {
            return Ok(());
        }
    }
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut text = String::new();
    reader.by_ref().take(64 * 1024).read_line(&mut text)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
