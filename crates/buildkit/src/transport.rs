//! Streams of bytes to builders: sockets, TLS, an engine's upgraded connections, programs' standard input and output.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Mutex;
use std::task::{Context, Poll};

use hyper::Request;
use hyper::header::{CONNECTION, HOST, HeaderMap, UPGRADE};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tonic::transport::{Channel, Endpoint};

use crate::{Address, Error, tls};

/// Anything that bytes go through both ways.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection.
pub(crate) type Pipe = Box<dyn Duplex>;

/// Opens the connection that BuildKit's API is spoken over.
pub(crate) async fn open(address: &Address) -> Result<Pipe, Error> {
    let failed = |error: std::io::Error| connect_error(address, &error);
    Ok(match address {
        Address::Unix(path) => Box::new(UnixStream::connect(path).await.map_err(failed)?),
        Address::Tcp { host, port, tls } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            match tls {
                Some(files) => Box::new(tls::wrap(stream, host, files).await.map_err(|e| e.into_error(address))?),
                None => Box::new(stream),
            }
        }
        Address::Docker(socket) => upgrade(address, socket.as_deref(), "/grpc", HeaderMap::new()).await?,
        Address::Container(name) => {
            Box::new(Program::start("docker", &["exec", "-i", name, "buildctl", "dial-stdio"]).map_err(failed)?)
        }
        Address::Pod { .. } | Address::Ssh { .. } => {
            let (program, arguments) = command(address);
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            Box::new(Program::start(program, &arguments).map_err(failed)?)
        }
    })
}

/// The program whose standard input and output are the connection.
fn command(address: &Address) -> (&'static str, Vec<String>) {
    let dial = ["buildctl", "dial-stdio"].map(str::to_owned);
    match address {
        Address::Pod { name, namespace, container } => {
            let option = |flag: &str, value: &Option<String>| value.as_ref().map(|value| format!("--{flag}={value}"));
            let options = [option("namespace", namespace), option("container", container)];
            let start = ["exec".to_owned(), "--stdin".to_owned()].into_iter().chain(options.into_iter().flatten());
            ("kubectl", start.chain([name.clone(), "--".to_owned()]).chain(dial).collect())
        }
        Address::Ssh { host, port } => {
            let port = port.iter().flat_map(|port| ["-p".to_owned(), port.to_string()]);
            ("ssh", port.chain(["--".to_owned(), host.clone()]).chain(dial).collect())
        }
        _ => ("", Vec::new()),
    }
}

fn connect_error(address: &Address, error: &dyn std::fmt::Display) -> Error {
    Error::Connect { builder: address.to_string(), reason: error.to_string() }
}

/// A connection of an engine's API, handed over to speak HTTP/2.
pub(crate) async fn upgrade(
    address: &Address,
    socket: Option<&Path>,
    path: &'static str,
    headers: HeaderMap,
) -> Result<Pipe, Error> {
    let failed = |error: hyper::Error| connect_error(address, &error);
    let socket = engine_socket(socket).map_err(|reason| connect_error(address, &reason))?;
    let stream = UnixStream::connect(&socket).await;
    let stream = stream.map_err(|error| connect_error(address, &format!("{}: {error}", socket.display())))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    tokio::spawn(connection.with_upgrades());
    let mut request = Request::post(path).header(HOST, "docker").header(CONNECTION, "Upgrade").header(UPGRADE, "h2c");
    if let Some(all) = request.headers_mut() {
        all.extend(headers);
    }
    let request = request.body(String::new()).map_err(|error| connect_error(address, &error))?;
    let response = sender.send_request(request).await.map_err(failed)?;
    if response.status() != hyper::StatusCode::SWITCHING_PROTOCOLS {
        return Err(connect_error(address, &format!("the engine answered {path} with {}", response.status())));
    }
    Ok(Box::new(TokioIo::new(hyper::upgrade::on(response).await.map_err(failed)?)))
}

/// The socket that is named, or DOCKER_HOST's, or the usual one.
fn engine_socket(named: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    match std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()) {
        None => Ok("/var/run/docker.sock".into()),
        Some(host) => match host.strip_prefix("unix://") {
            Some(path) => Ok(path.into()),
            None => Err(format!("DOCKER_HOST is {host}, and only unix:// is understood here")),
        },
    }
}

/// Speaks gRPC over a connection that is already open, and over no other.
pub(crate) async fn channel(address: &Address, pipe: Pipe) -> Result<Channel, Error> {
    let once = Mutex::new(Some(pipe));
    let connector = tower::service_fn(move |_: tonic::transport::Uri| {
        let taken = once.lock().ok().and_then(|mut pipe| pipe.take());
        std::future::ready(taken.map(TokioIo::new).ok_or_else(|| std::io::Error::other("the connection was closed")))
    });
    let endpoint = Endpoint::from_static("http://localhost");
    endpoint.connect_with_connector(connector).await.map_err(|error| connect_error(address, &causes(&error)))
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

/// A program that hands a connection through its standard input and output; it ends with it.
struct Program {
    _child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Program {
    fn start(program: &str, arguments: &[&str]) -> std::io::Result<Self> {
        let named = |error: std::io::Error| std::io::Error::new(error.kind(), format!("{program}: {error}"));
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(named)?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => Ok(Self { _child: child, input, output }),
            _ => Err(std::io::Error::other(format!("{program} has no standard input and output"))),
        }
    }
}

impl AsyncRead for Program {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.output).poll_read(cx, buf)
    }
}

impl AsyncWrite for Program {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(cx)
    }
}
