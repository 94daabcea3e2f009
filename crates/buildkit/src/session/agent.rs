//! Hands the builder an SSH agent's socket.

use std::pin::Pin;

use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::Ssh;
use bollard_buildkit_proto::moby::sshforward::v1::{BytesMessage, CheckAgentRequest, CheckAgentResponse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::Services;

const CHUNK: usize = 32 << 10;
/// The agent that is meant where none is named.
const DEFAULT: &str = "default";

impl Services {
    fn agent(&self, id: &str) -> Result<&std::path::Path, Status> {
        let id = if id.is_empty() { DEFAULT } else { id };
        let found = self.agents.get(id).map(std::path::PathBuf::as_path);
        found.ok_or_else(|| Status::not_found(format!("no agent {id} is offered: give --ssh {id}")))
    }
}

#[tonic::async_trait]
impl Ssh for Services {
    type ForwardAgentStream = Pin<Box<dyn Stream<Item = Result<BytesMessage, Status>> + Send>>;

    async fn check_agent(&self, request: Request<CheckAgentRequest>) -> Result<Response<CheckAgentResponse>, Status> {
        self.agent(&request.into_inner().id).map(|_| Response::new(CheckAgentResponse {}))
    }

    async fn forward_agent(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::ForwardAgentStream>, Status> {
        let id = request.metadata().get("buildkit.ssh.id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        let socket = UnixStream::connect(self.agent(id)?).await;
        let (reader, writer) = socket.map_err(|error| Status::unavailable(error.to_string()))?.into_split();
        let (sender, receiver) = mpsc::channel(4);
        tokio::spawn(to_agent(request.into_inner(), writer));
        tokio::spawn(from_agent(reader, sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

async fn to_agent(mut messages: Streaming<BytesMessage>, mut agent: OwnedWriteHalf) {
    while let Ok(Some(message)) = messages.message().await {
        if agent.write_all(&message.data).await.is_err() {
            return;
        }
    }
}

async fn from_agent(mut agent: OwnedReadHalf, sender: mpsc::Sender<Result<BytesMessage, Status>>) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(length @ 1..) = agent.read(&mut buffer).await {
        if sender.send(Ok(BytesMessage { data: buffer[..length].to_vec() })).await.is_err() {
            return;
        }
    }
}
