//! One build on a builder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::{
    BytesMessage, ListWorkersRequest, SolveRequest, SolveResponse, StatusRequest,
};
use futures_util::FutureExt;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use oci::Platform;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use crate::progress::{Progress, Reader};
use crate::session::{METHODS, Services, serve};
use crate::transport::{Pipe, causes, channel, open, upgrade};
use crate::{Address, Error};

const CHUNK: usize = 32 << 10;
/// Messages of gRPC end at 4 MB unless one says so; large builds have large statuses.
const MESSAGE: usize = 64 << 20;

/// A builder that answers.
pub struct Builder {
    address: Address,
    control: ControlClient<Channel>,
}

/// What is asked of a builder: the attributes are those of its Dockerfile frontend.
#[derive(Debug, Clone, Default)]
pub struct Solve {
    /// Tells this build from every other, as does the session that belongs to it.
    pub id: String,
    /// What trees of this client are known by from one build to the next.
    pub shared_key: String,
    /// The frontend's attributes.
    pub attributes: BTreeMap<String, String>,
    /// What the Dockerfile may ask for beyond a sandbox.
    pub entitlements: Vec<String>,
    /// What becomes of the result.
    pub exporter: Option<Exporter>,
}

/// What becomes of a result.
#[derive(Debug, Clone)]
pub struct Exporter {
    /// `oci`, or `moby` for an engine's own images.
    pub kind: &'static str,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
}

/// What the exporter said, such as `containerimage.digest`.
#[derive(Debug, Clone, Default)]
pub struct Solved(pub BTreeMap<String, String>);

impl Builder {
    /// Opens the connection.
    ///
    /// # Errors
    /// When there is no builder that answers.
    pub async fn connect(address: &Address) -> Result<Self, Error> {
        let control = ControlClient::new(channel(address, open(address).await?).await?);
        Ok(Self { address: address.clone(), control: control.max_decoding_message_size(MESSAGE) })
    }

    /// Which platforms it can build for.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn platforms(&self) -> Result<Vec<Platform>, Error> {
        let answer = self.control.clone().list_workers(ListWorkersRequest::default()).await;
        let workers = answer.map_err(|status| self.failure(&status))?.into_inner().record;
        let offered = workers.into_iter().flat_map(|worker| worker.platforms).filter_map(|platform| {
            let variant = if platform.variant.is_empty() { String::new() } else { format!("/{}", platform.variant) };
            format!("{}/{}{variant}", platform.os, platform.architecture).parse().ok()
        });
        Ok(offered.collect())
    }

    /// Fails when it does not build for `wanted`.
    ///
    /// # Errors
    /// When it does not, or does not answer.
    pub async fn require(&self, wanted: &Platform) -> Result<(), Error> {
        let offered = self.platforms().await?;
        let same = |one: &Platform| one.os == wanted.os && one.architecture == wanted.architecture;
        if offered.iter().any(same) {
            return Ok(());
        }
        let offered = offered.iter().map(ToString::to_string).collect();
        Err(Error::NoPlatform { builder: self.address.to_string(), wanted: Box::new(wanted.clone()), offered })
    }

    /// Builds, and answers what the builder asks of `services` meanwhile.
    ///
    /// # Errors
    /// When the build fails, or the connection is lost.
    pub async fn solve(
        &self,
        solve: &Solve,
        services: Services,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Solved, Error> {
        let pipe = self.session(solve).await?;
        let session = serve(pipe, services).map(|ended| match ended {
            Ok(()) => self.lost("the session ended"),
            Err(error) => self.lost(&causes(&error)),
        });
        let mut control = self.control.clone();
        let work = async { tokio::join!(control.solve(self.request(solve)), self.follow(&solve.id, progress)).0 };
        tokio::select! {
            answer = work => answer.map(|answer| solved(answer.into_inner())).map_err(|status| self.failure(&status)),
            error = session => Err(error),
        }
    }

    fn request(&self, solve: &Solve) -> SolveRequest {
        let (kind, attributes) = match &solve.exporter {
            Some(exporter) => (exporter.kind.to_owned(), exporter.attributes.clone()),
            None => Default::default(),
        };
        SolveRequest {
            r#ref: solve.id.clone(),
            session: solve.id.clone(),
            exporter_deprecated: kind,
            exporter_attrs_deprecated: attributes.into_iter().collect(),
            frontend: "dockerfile.v0".into(),
            frontend_attrs: solve.attributes.clone().into_iter().collect(),
            entitlements: solve.entitlements.clone(),
            ..SolveRequest::default()
        }
    }

    /// Shows what the builder says until it has said all; how the build ended is the solve's to tell.
    async fn follow(&self, id: &str, progress: &(dyn Fn(Progress) + Sync)) {
        let mut control = self.control.clone();
        let Ok(answer) = control.status(StatusRequest { r#ref: id.to_owned() }).await else { return };
        let (mut statuses, mut reader) = (answer.into_inner(), Reader::default());
        while let Ok(Some(status)) = statuses.message().await {
            reader.read(status).into_iter().for_each(progress);
        }
    }

    /// The connection that the builder calls back over.
    async fn session(&self, solve: &Solve) -> Result<Pipe, Error> {
        let headers = headers(solve).map_err(|reason| self.lost(&reason))?;
        if let Address::Docker(socket) = &self.address {
            return upgrade(&self.address, socket.as_deref(), "/session", headers).await;
        }
        let (ours, theirs) = tokio::io::duplex(2 * CHUNK);
        let (reader, writer) = tokio::io::split(theirs);
        let (sender, receiver) = mpsc::channel(4);
        let metadata = MetadataMap::from_headers(headers);
        let request = tonic::Request::from_parts(metadata, tonic::Extensions::new(), ReceiverStream::new(receiver));
        tokio::spawn(outgoing(reader, sender));
        let answer = self.control.clone().session(request).await.map_err(|status| self.failure(&status))?;
        tokio::spawn(incoming(answer.into_inner(), writer));
        Ok(Box::new(ours))
    }

    fn lost(&self, reason: &str) -> Error {
        Error::Lost { builder: self.address.to_string(), reason: reason.to_owned() }
    }

    /// A connection that broke has its cause below the status; a builder that answers says why.
    fn failure(&self, status: &Status) -> Error {
        let broken = std::error::Error::source(status).is_some() || status.code() == Code::Unavailable;
        if broken {
            return self.lost(&causes(status));
        }
        Error::Solve { builder: self.address.to_string(), reason: status.message().to_owned() }
    }

    /// The address it was connected at.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

/// Where a `docker://` builder's engine listens, when the address says so.
impl Address {
    /// Whether results are images of an engine, to be fetched from there.
    #[must_use]
    pub fn engine(&self) -> Option<Option<&PathBuf>> {
        match self {
            Self::Docker(socket) => Some(socket.as_ref()),
            _ => None,
        }
    }
}

fn solved(answer: SolveResponse) -> Solved {
    Solved(answer.exporter_response.into_iter().collect())
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
