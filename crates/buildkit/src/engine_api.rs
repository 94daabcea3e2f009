//! What is asked of a Docker engine besides BuildKit's own services: to hand a connection over, and to hand out an image.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONNECTION, HOST, HeaderMap, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};

use crate::engine::Endpoint;
use crate::program::Program;
use crate::transport::{Pipe, connect_error, ssh};
use crate::{Address, Engine, Error, tls};

/// How long an engine may take to say something: large images take their time.
const PATIENCE: Duration = Duration::from_secs(3600);
/// So much of what an engine complains of is shown.
const MAX_COMPLAINT: usize = 4 << 10;

impl Engine {
    /// Hands out an image as an archive, piece by piece; `address` is the builder's, for messages.
    ///
    /// # Errors
    /// When the engine cannot be reached, has no such image, or `take` fails.
    pub async fn save(
        &self,
        address: &Address,
        image: &str,
        take: &mut (dyn FnMut(&[u8]) -> io::Result<()> + Send),
    ) -> Result<(), Error> {
        let mut answer = self.ask(address, Method::GET, &format!("/images/{image}/get")).await?;
        while let Some(piece) = piece(address, answer.body_mut()).await? {
            take(piece.as_ref()).map_err(Error::Result)?;
        }
        Ok(())
    }

    /// Forgets an image.
    ///
    /// # Errors
    /// When the engine cannot be reached, or has no such image.
    pub async fn remove(&self, address: &Address, image: &str) -> Result<(), Error> {
        self.ask(address, Method::DELETE, &format!("/images/{image}")).await.map(drop)
    }

    async fn ask(&self, address: &Address, method: Method, path: &str) -> Result<Response<Incoming>, Error> {
        let mut sender = self.speak(address).await?;
        let request = Request::builder().method(method).uri(path).header(HOST, "docker").body(String::new());
        let request = request.map_err(|error| connect_error(address, &error))?;
        let answer = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
        let answer = answer.map_err(|_| connect_error(address, &"the engine does not answer"))?;
        let mut answer = answer.map_err(|error| connect_error(address, &error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let mut complaint = Vec::new();
        while let Some(piece) = piece(address, answer.body_mut()).await?.filter(|_| complaint.len() < MAX_COMPLAINT) {
            complaint.extend_from_slice(piece.as_ref());
        }
        let complaint = String::from_utf8_lossy(&complaint);
        Err(connect_error(address, &format!("the engine answered {path} with {}: {complaint}", answer.status())))
    }

    /// A connection that HTTP/1.1 is spoken over.
    async fn speak(&self, address: &Address) -> Result<SendRequest<String>, Error> {
        let pipe = self.open(address).await?;
        let (sender, connection) = handshake(TokioIo::new(pipe)).await.map_err(|e| connect_error(address, &e))?;
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }

    async fn open(&self, address: &Address) -> Result<Pipe, Error> {
        let failed = |error: io::Error| connect_error(address, &error);
        Ok(match self.endpoint().map_err(|reason| connect_error(address, &reason))? {
            Endpoint::Socket(path) => {
                let stream = UnixStream::connect(&path).await;
                Box::new(stream.map_err(|error| connect_error(address, &format!("{}: {error}", path.display())))?)
            }
            Endpoint::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((host.as_str(), port)).await.map_err(failed)?;
                stream.set_nodelay(true).map_err(failed)?;
                match tls {
                    Some(files) => {
                        let wrapped = tls::wrap(stream, &host, &files, b"http/1.1").await;
                        Box::new(wrapped.map_err(|failure| failure.into_error(address))?)
                    }
                    None => Box::new(stream),
                }
            }
            Endpoint::Ssh { host, port } => {
                let arguments = ssh(&host, port, &["docker", "system", "dial-stdio"]);
                Box::new(Program::start("ssh", &arguments).map_err(failed)?)
            }
        })
    }
}

/// A connection of an engine's API, handed over to speak HTTP/2.
pub(crate) async fn upgrade(
    address: &Address,
    engine: &Engine,
    path: &'static str,
    headers: HeaderMap,
) -> Result<Pipe, Error> {
    let failed = |error: hyper::Error| connect_error(address, &error);
    let mut sender = engine.speak(address).await?;
    let mut request = Request::post(path).header(HOST, "docker").header(CONNECTION, "Upgrade").header(UPGRADE, "h2c");
    if let Some(all) = request.headers_mut() {
        all.extend(headers);
    }
    let request = request.body(String::new()).map_err(|error| connect_error(address, &error))?;
    let response = sender.send_request(request).await.map_err(failed)?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(connect_error(address, &format!("the engine answered {path} with {}", response.status())));
    }
    Ok(Box::new(TokioIo::new(hyper::upgrade::on(response).await.map_err(failed)?)))
}

/// The next bytes of a body; `None` at its end.
async fn piece(address: &Address, body: &mut Incoming) -> Result<Option<impl AsRef<[u8]> + use<>>, Error> {
    let failed =
        |reason: &dyn std::fmt::Display| Error::Lost { builder: address.to_string(), reason: reason.to_string() };
    loop {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
        let frame = tokio::time::timeout(PATIENCE, frame).await.map_err(|_| failed(&"the engine says nothing more"))?;
        let Some(frame) = frame.transpose().map_err(|error| failed(&error))? else { return Ok(None) };
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
}
