//! As little HTTP/1.1 as it takes to speak to the registry on this machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::Failure;

/// A connection that is kept.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    address: String,
}

/// An answer without its body.
pub(crate) struct Answer {
    pub(crate) location: Option<String>,
}

impl Connection {
    pub(crate) fn open(address: &str) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream: BufReader::new(stream), address: address.to_owned() })
    }

    /// Sends the head of a request whose body has `length` bytes.
    pub(crate) fn head(&mut self, method: &str, path: &str, length: u64) -> Result<(), Failure> {
        let kind = "Content-Type: application/octet-stream";
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{kind}\r\nContent-Length: {length}\r\n\r\n", self.address);
        Ok(self.stream.get_mut().write_all(head.as_bytes())?)
    }

    pub(crate) fn body(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.stream.get_mut().write_all(bytes)?)
    }

    /// Reads the answer; anything but a success is a failure.
    pub(crate) fn answer(&mut self) -> Result<Answer, Failure> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status: u16 = line.split(' ').nth(1).ok_or("no answer")?.parse()?;
        let (mut location, mut length) = (None, 0);
        loop {
            let mut header = String::new();
            self.stream.read_line(&mut header)?;
            match header.trim_end().split_once(": ") {
                Some(("Location", value)) => location = Some(value.to_owned()),
                Some(("Content-Length", value)) => length = value.parse()?,
                Some(_) => {}
                None => break,
            }
        }
        std::io::copy(&mut self.stream.by_ref().take(length), &mut std::io::sink())?;
        if !(200..300).contains(&status) {
            return Err(format!("the registry answers {line}").into());
        }
        Ok(Answer { location })
    }

    /// The path of a location that the registry answered with.
    pub(crate) fn path(&self, answer: &Answer) -> Result<String, Failure> {
        let location = answer.location.as_deref().ok_or("no location")?;
        let own = format!("http://{}", self.address);
        Ok(location.strip_prefix(&own).unwrap_or(location).to_owned())
    }
}
