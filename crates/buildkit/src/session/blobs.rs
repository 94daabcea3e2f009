//! Parts of images that are offered, and of caches, as containerd's content service has them. Only caches are written.

use std::convert::Infallible;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::pin::Pin;

use futures_util::future::BoxFuture;
use oci::Digest;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService, StreamingService, UnaryService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::Services;
use super::ingest::{WriteRequest, WriteResponse, ingest};

const CHUNK: usize = 1 << 20;
/// What tells which place is meant.
const STORE: &str = "buildkit-attachable-store-id";
pub(super) const INFO: &str = "/containerd.services.content.v1.Content/Info";
pub(super) const READ: &str = "/containerd.services.content.v1.Content/Read";
pub(super) const WRITE: &str = "/containerd.services.content.v1.Content/Write";
/// Messages of a blob that is written: more than builders put into one.
const MESSAGE: usize = 16 << 20;

#[derive(Clone, PartialEq, prost::Message)]
struct InfoRequest {
    #[prost(string, tag = "1")]
    digest: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct InfoResponse {
    #[prost(message, optional, tag = "1")]
    info: Option<Info>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Info {
    #[prost(string, tag = "1")]
    digest: String,
    #[prost(int64, tag = "2")]
    size: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ReadRequest {
    #[prost(string, tag = "1")]
    digest: String,
    #[prost(int64, tag = "2")]
    offset: i64,
    #[prost(int64, tag = "3")]
    size: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ReadResponse {
    #[prost(int64, tag = "1")]
    offset: i64,
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
}

/// The service itself.
#[derive(Clone)]
pub(super) struct Content(pub(super) Services);

impl NamedService for Content {
    const NAME: &'static str = "containerd.services.content.v1.Content";
}

impl Service<http::Request<Body>> for Content {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let content = self.clone();
        Box::pin(async move {
            Ok(match request.uri().path() {
                INFO => Grpc::new(ProstCodec::<InfoResponse, InfoRequest>::default()).unary(content, request).await,
                READ => {
                    let codec = ProstCodec::<ReadResponse, ReadRequest>::default();
                    Grpc::new(codec).server_streaming(content, request).await
                }
                WRITE => {
                    let codec = ProstCodec::<WriteResponse, WriteRequest>::default();
                    Grpc::new(codec).max_decoding_message_size(MESSAGE).streaming(content, request).await
                }
                _ => Status::permission_denied("what is offered is to be read, and caches to be written").into_http(),
            })
        })
    }
}

impl UnaryService<InfoRequest> for Content {
    type Response = InfoResponse;
    type Future = BoxFuture<'static, Result<Response<InfoResponse>, Status>>;

    fn call(&mut self, request: Request<InfoRequest>) -> Self::Future {
        let content = self.clone();
        Box::pin(async move {
            let (_, size) = content.open(&request, &request.get_ref().digest)?;
            let info = Info { digest: request.into_inner().digest, size: signed(size) };
            Ok(Response::new(InfoResponse { info: Some(info) }))
        })
    }
}

impl ServerStreamingService<ReadRequest> for Content {
    type Response = ReadResponse;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<ReadResponse, Status>> + Send>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<ReadRequest>) -> Self::Future {
        let content = self.clone();
        Box::pin(async move {
            let (file, length) = content.open(&request, &request.get_ref().digest)?;
            let ReadRequest { offset, size, .. } = request.into_inner();
            let (from, size) = (u64::try_from(offset).unwrap_or_default(), u64::try_from(size).unwrap_or_default());
            let rest = length.saturating_sub(from);
            let end = from + if size == 0 { rest } else { rest.min(size) };
            let (sender, receiver) = mpsc::channel(4);
            tokio::task::spawn_blocking(move || send(&file, from, end, &sender));
            let stream: Self::ResponseStream = Box::pin(ReceiverStream::new(receiver));
            Ok(Response::new(stream))
        })
    }
}

impl StreamingService<WriteRequest> for Content {
    type Response = WriteResponse;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<WriteResponse, Status>> + Send>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<WriteRequest>>) -> Self::Future {
        let content = self.clone();
        Box::pin(async move {
            let cache = content.0.caches.get(place(&request)).cloned();
            let cache = cache.ok_or_else(|| Status::permission_denied("no cache of that name may be written"))?;
            let (sender, receiver) = mpsc::channel(1);
            tokio::spawn(ingest(cache, request.into_inner(), sender));
            let stream: Self::ResponseStream = Box::pin(ReceiverStream::new(receiver));
            Ok(Response::new(stream))
        })
    }
}

impl Content {
    fn open<T>(&self, request: &Request<T>, digest: &str) -> Result<(File, u64), Status> {
        let place = place(request);
        let absent = || Status::not_found(format!("{digest} is not offered"));
        let digest: Digest = digest.parse().map_err(|_| absent())?;
        let found = match (self.0.blobs.get(place), self.0.caches.get(place)) {
            (Some(blobs), _) => blobs.open(&digest),
            (None, Some(cache)) => cache.open(&digest),
            (None, None) => return Err(absent()),
        };
        found.map_err(|error| Status::data_loss(format!("{digest}: {error}")))?.ok_or_else(absent)
    }
}

/// The name of the place that is meant.
fn place<T>(request: &Request<T>) -> &str {
    request.metadata().get(STORE).and_then(|id| id.to_str().ok()).unwrap_or_default()
}

fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Blocks.
fn send(file: &File, from: u64, end: u64, sender: &mpsc::Sender<Result<ReadResponse, Status>>) {
    let mut offset = from;
    while offset < end {
        let mut data = vec![0; CHUNK.min(usize::try_from(end - offset).unwrap_or(CHUNK))];
        let read = file.read_exact_at(&mut data, offset).map_err(|error| Status::data_loss(error.to_string()));
        let length = data.len() as u64;
        let failed = read.is_err();
        let gone = sender.blocking_send(read.map(|()| ReadResponse { offset: signed(offset), data })).is_err();
        if gone || failed {
            return;
        }
        offset += length;
    }
}
