//! Streams of bytes to builders: sockets, TLS, an engine's upgraded connections, programs.

use std::sync::Mutex;
use std::time::Duration;

use hyper::header::HeaderMap;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tonic::transport::{Channel, Endpoint};

use crate::engine_api::upgrade;
use crate::program::Program;
use crate::watched::Watched;
use crate::{Address, Error, tls};

/// What may be on its way in one stream, and in all of a connection. Builders ask for each file in a message of its own; of
/// so small ones a connection holds few (h2 counts what they cost against its window) before it takes them for an attack.
pub(crate) const STREAM_WINDOW: u32 = 1 << 20;
pub(crate) const CONNECTION_WINDOW: u32 = 64 << 20;
/// How long a builder may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Anything that bytes go through both ways.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection.
pub(crate) type Pipe = Box<dyn Duplex>;

/// Opens the connection that BuildKit's API is spoken over.
pub(crate) async fn open(address: &Address) -> Result<Pipe, Error> {
    // Its image may have to be fetched, which takes what it takes.
    if let Address::Container(container) = address {
        container.ensure(address).await?;
    }
    let patience = tokio::time::sleep(PATIENCE);
    tokio::select! {
        opened = begin(address) => opened,
        () = patience => Err(connect_error(address, &"it does not answer")),
    }
}

async fn begin(address: &Address) -> Result<Pipe, Error> {
    let failed = |error: std::io::Error| connect_error(address, &error);
    Ok(match address {
        Address::Unix(path) => Box::new(UnixStream::connect(path).await.map_err(failed)?),
        Address::Tcp { host, port, tls } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            match tls {
                Some(files) => {
                    Box::new(tls::wrap(stream, host, files, b"h2").await.map_err(|e| e.into_error(address))?)
                }
                None => Box::new(stream),
            }
        }
        Address::Docker(engine) => upgrade(address, engine, "/grpc", HeaderMap::new()).await?,
        Address::Container(container) => {
            let arguments = container.command(&["exec", "--interactive", &container.name, "buildctl", "dial-stdio"]);
            Box::new(Program::start("docker", &arguments).map_err(failed)?)
        }
        Address::Pod { name, namespace, container } => {
            Box::new(Program::start("kubectl", &kubectl(name, namespace, container)).map_err(failed)?)
        }
        Address::Ssh { host, port } => Box::new(Program::start("ssh", &ssh(host, *port, &DIAL)).map_err(failed)?),
    })
}

/// What connects a command's standard input and output to BuildKit's socket, wherever it is run.
const DIAL: [&str; 2] = ["buildctl", "dial-stdio"];

fn kubectl(pod: &str, namespace: &Option<String>, container: &Option<String>) -> Vec<String> {
    let option = |flag: &str, value: &Option<String>| value.as_ref().map(|value| format!("--{flag}={value}"));
    let options = [option("namespace", namespace), option("container", container)].into_iter().flatten();
    let start = ["exec".to_owned(), "--stdin".to_owned()].into_iter().chain(options);
    start.chain([pod.to_owned(), "--".to_owned()]).chain(DIAL.map(str::to_owned)).collect()
}

/// What runs a command on another machine.
pub(crate) fn ssh(host: &str, port: Option<u16>, command: &[&str]) -> Vec<String> {
    let port = port.into_iter().flat_map(|port| ["-p".to_owned(), port.to_string()]);
    let start = ["-T".to_owned()].into_iter().chain(port);
    start.chain(["--", host].into_iter().chain(command.iter().copied()).map(str::to_owned)).collect()
}

pub(crate) fn connect_error(address: &Address, error: &dyn std::fmt::Display) -> Error {
    Error::Connect { builder: address.to_string(), reason: error.to_string() }
}

/// Speaks gRPC over a connection that is already open, and over no other.
pub(crate) async fn channel(address: &Address, pipe: Pipe) -> Result<Channel, Error> {
    let (pipe, ended) = Watched::new(pipe);
    let once = Mutex::new(Some(pipe));
    let connector = tower::service_fn(move |_: tonic::transport::Uri| {
        let taken = once.lock().ok().and_then(|mut pipe| pipe.take());
        std::future::ready(taken.map(TokioIo::new).ok_or_else(|| std::io::Error::other(ended.reason())))
    });
    let endpoint = Endpoint::from_static("http://localhost").initial_stream_window_size(STREAM_WINDOW);
    let endpoint = endpoint.initial_connection_window_size(CONNECTION_WINDOW);
    endpoint.connect_with_connector(connector).await.map_err(|error| connect_error(address, &causes(&error)))
}

/// Why a status is what it is: what broke the connection, else what the builder says.
pub(crate) fn reason(status: &tonic::Status) -> String {
    let mut deepest = std::error::Error::source(status);
    while let Some(cause) = deepest.and_then(std::error::Error::source) {
        deepest = Some(cause);
    }
    deepest.map_or_else(|| status.message().to_owned(), ToString::to_string)
}

/// A failure with all its causes: tonic's own words say nothing.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
