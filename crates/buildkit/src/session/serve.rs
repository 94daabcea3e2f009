//! The server of a session, over one connection that the builder's side of it was handed.

use std::pin::Pin;
use std::task::{Context, Poll};

use bollard_buildkit_proto::health::health_server::HealthServer;
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::SecretsServer;
use bollard_buildkit_proto::moby::filesync::v1::auth_server::AuthServer;
use bollard_buildkit_proto::moby::filesync::v1::file_send_server::FileSendServer;
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::FileSyncServer;
use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::SshServer;
use futures_util::stream::{self, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::Server;
use tonic::transport::server::Connected;

use super::Services;
use super::blobs::{Content, INFO, READ, WRITE};
use crate::transport::{CONNECTION_WINDOW, Pipe, STREAM_WINDOW};

/// A result's archive comes in messages of at most so many bytes.
const MESSAGE: usize = 64 << 20;

/// What the builder is told that it may call.
pub(crate) const METHODS: [&str; 13] = [
    "/grpc.health.v1.Health/Check",
    "/moby.filesync.v1.FileSync/DiffCopy",
    "/moby.filesync.v1.FileSend/DiffCopy",
    "/moby.filesync.v1.Auth/Credentials",
    "/moby.filesync.v1.Auth/FetchToken",
    "/moby.filesync.v1.Auth/GetTokenAuthority",
    "/moby.filesync.v1.Auth/VerifyTokenAuthority",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/moby.sshforward.v1.SSH/CheckAgent",
    "/moby.sshforward.v1.SSH/ForwardAgent",
    INFO,
    READ,
    WRITE,
];

/// Answers what comes over `pipe`; ends when dropped.
pub(crate) async fn serve(pipe: Pipe, services: Services) -> Result<(), tonic::transport::Error> {
    let incoming = stream::once(std::future::ready(Ok::<_, std::io::Error>(Connection(pipe)))).chain(stream::pending());
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .add_service(HealthServer::new(services.clone()))
        .add_service(FileSyncServer::new(services.clone()))
        .add_service(FileSendServer::new(services.clone()).max_decoding_message_size(MESSAGE))
        .add_service(AuthServer::new(services.clone()))
        .add_service(SecretsServer::new(services.clone()))
        .add_service(Content(services.clone()))
        .add_service(SshServer::new(services))
        .serve_with_incoming(incoming)
        .await
}

struct Connection(Pipe);

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
