//! Takes the archive that an exporter sends.

use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;

use bollard_buildkit_proto::moby::filesync::v1::BytesMessage;
use bollard_buildkit_proto::moby::filesync::v1::file_send_server::FileSend;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::Services;

#[tonic::async_trait]
impl FileSend for Services {
    type DiffCopyStream = Pin<Box<dyn Stream<Item = Result<BytesMessage, Status>> + Send>>;

    async fn diff_copy(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::DiffCopyStream>, Status> {
        let file = self.result.clone().ok_or_else(|| Status::failed_precondition("no result is asked for"))?;
        let mut chunks = request.into_inner();
        while let Some(chunk) = chunks.message().await? {
            let file = Arc::clone(&file);
            let written = tokio::task::spawn_blocking(move || (&*file).write_all(&chunk.data)).await;
            written.map_err(std::io::Error::other).flatten().map_err(|error| Status::data_loss(error.to_string()))?;
        }
        Ok(Response::new(Box::pin(tokio_stream::empty())))
    }
}
