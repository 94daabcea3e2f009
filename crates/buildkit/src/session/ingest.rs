//! Writing into a cache's directory, as containerd's content service has it: one stream for each blob.

use std::io;

use futures_util::StreamExt;
use oci::Digest;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::cache_directory::{CacheDirectory, NewBlob};

/// No blob of a cache is larger, 256 GiB.
const MAX_BLOB: u64 = 256 << 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(super) enum Action {
    Stat = 0,
    Write = 1,
    Commit = 2,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WriteRequest {
    #[prost(enumeration = "Action", tag = "1")]
    action: i32,
    #[prost(string, tag = "2")]
    reference: String,
    #[prost(int64, tag = "3")]
    total: i64,
    #[prost(string, tag = "4")]
    expected: String,
    #[prost(int64, tag = "5")]
    offset: i64,
    #[prost(bytes = "vec", tag = "6")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WriteResponse {
    #[prost(enumeration = "Action", tag = "1")]
    action: i32,
    #[prost(int64, tag = "4")]
    offset: i64,
    #[prost(int64, tag = "5")]
    total: i64,
    #[prost(string, tag = "6")]
    digest: String,
}

type Answers = mpsc::Sender<Result<WriteResponse, Status>>;

/// Answers one stream to its end. What was not committed then is gone.
pub(super) async fn ingest(cache: CacheDirectory, mut requests: Streaming<WriteRequest>, answers: Answers) {
    let mut blob = None;
    while let Some(request) = requests.next().await {
        let cache = cache.clone();
        let step = request.map(|request| tokio::task::spawn_blocking(move || answer(&cache, blob, &request)));
        let answered = match step {
            Ok(step) => step.await.unwrap_or_else(|error| Err(Status::internal(error.to_string()))),
            Err(status) => Err(status),
        };
        let (answer, open) = answered.map_or_else(|status| (Err(status), None), |(answer, open)| (Ok(answer), open));
        blob = open;
        let failed = answer.is_err();
        if answers.send(answer).await.is_err() || failed {
            return;
        }
    }
}

/// The answer, and the blob that goes on. Blocks.
fn answer(
    cache: &CacheDirectory,
    blob: Option<NewBlob>,
    request: &WriteRequest,
) -> Result<(WriteResponse, Option<NewBlob>), Status> {
    let expected = match request.expected.as_str() {
        "" => None,
        text => Some(text.parse::<Digest>().map_err(|error| Status::invalid_argument(error.to_string()))?),
    };
    let mut blob = match blob {
        Some(blob) => blob,
        None if expected.as_ref().is_some_and(|digest| matches!(cache.open(digest), Ok(Some(_)))) => {
            return Err(Status::already_exists(format!("{} is there", request.expected)));
        }
        None => cache.begin().map_err(status)?,
    };
    if !request.data.is_empty() {
        if u64::try_from(request.offset) != Ok(blob.length()) {
            return Err(Status::out_of_range(format!("the next byte is number {}", blob.length())));
        }
        blob.write(&request.data).map_err(status)?;
    }
    if blob.length() > MAX_BLOB {
        return Err(Status::resource_exhausted("a blob is larger than 256 GiB"));
    }
    let length = i64::try_from(blob.length()).unwrap_or(i64::MAX);
    let mut response =
        WriteResponse { action: request.action, offset: length, total: request.total, digest: String::new() };
    if request.action() != Action::Commit {
        return Ok((response, Some(blob)));
    }
    if request.total > 0 && request.total != length {
        return Err(Status::failed_precondition(format!("{length} bytes came instead of {}", request.total)));
    }
    response.digest = blob.commit(expected.as_ref()).map_err(status)?.to_string();
    Ok((response, None))
}

fn status(error: io::Error) -> Status {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Status::permission_denied(error.to_string()),
        io::ErrorKind::InvalidData => Status::failed_precondition(error.to_string()),
        _ => Status::unavailable(format!("the cache cannot be written: {error}")),
    }
}
