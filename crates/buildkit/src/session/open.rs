//! The connection that a builder calls back over.

use bollard_buildkit_proto::moby::buildkit::v1::BytesMessage;
use futures_util::FutureExt;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::metadata::MetadataMap;

use super::Services;
use super::serve::{METHODS, serve};
use crate::engine_api::upgrade;
use crate::transport::{Pipe, causes};
use crate::{Address, Builder, Error, Solve};

const CHUNK: usize = 32 << 10;

/// A session that is open, and ends when dropped.
pub(crate) struct Session {
    /// The server of our services, and what carries its bytes.
    tasks: JoinSet<Result<(), tonic::transport::Error>>,
}

impl Session {
    pub(crate) async fn open(builder: &Builder, solve: &Solve, services: Services) -> Result<Self, Error> {
        let mut tasks = JoinSet::new();
        let headers = headers(solve).map_err(|reason| builder.lost(&reason))?;
        let pipe = match builder.address() {
            Address::Docker(engine) => upgrade(builder.address(), engine, "/session", headers).await?,
            _ => carried(builder, headers, &mut tasks).await?,
        };
        tasks.spawn(serve(pipe, services));
        Ok(Self { tasks })
    }

    /// Ends when a part of it does, which is before its time; says why.
    pub(crate) async fn ended(&mut self) -> String {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => causes(&error),
            _ => "the session ended".into(),
        }
    }
}

/// A connection within the one to the builder: its bytes are messages.
async fn carried(
    builder: &Builder,
    headers: HeaderMap,
    tasks: &mut JoinSet<Result<(), tonic::transport::Error>>,
) -> Result<Pipe, Error> {
    let (ours, theirs) = tokio::io::duplex(2 * CHUNK);
    let (reader, writer) = tokio::io::split(theirs);
    let (sender, receiver) = mpsc::channel(4);
    let metadata = MetadataMap::from_headers(headers);
    let request = tonic::Request::from_parts(metadata, tonic::Extensions::new(), ReceiverStream::new(receiver));
    tasks.spawn(outgoing(reader, sender).map(Ok));
    let answer = builder.control().session(request).await.map_err(|status| builder.failure(&status))?;
    tasks.spawn(incoming(answer.into_inner(), writer).map(Ok));
    Ok(Box::new(ours))
}

fn headers(solve: &Solve) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let name = |name: &'static str| HeaderName::from_static(name);
    let value = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
    headers.insert(name("x-docker-expose-session-uuid"), value(&solve.id)?);
    headers.insert(name("x-docker-expose-session-name"), HeaderValue::from_static("shipsmith"));
    headers.insert(name("x-docker-expose-session-sharedkey"), value(&solve.shared_key)?);
    for method in METHODS {
        headers.append(name("x-docker-expose-session-grpc-method"), HeaderValue::from_static(method));
    }
    Ok(headers)
}

async fn outgoing(mut reader: ReadHalf<DuplexStream>, sender: mpsc::Sender<BytesMessage>) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(length @ 1..) = reader.read(&mut buffer).await {
        if sender.send(BytesMessage { data: buffer[..length].to_vec() }).await.is_err() {
            return;
        }
    }
}

async fn incoming(mut messages: Streaming<BytesMessage>, mut writer: WriteHalf<DuplexStream>) {
    while let Ok(Some(message)) = messages.message().await {
        if writer.write_all(&message.data).await.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}
