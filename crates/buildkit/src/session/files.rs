//! File sync: the tree is listed, and the builder asks for the bytes of what it does not have.

use std::io::Read;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::fsutil::types::{Packet, Stat};
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::FileSync;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::wanted::Wanted;
use super::{FileEntry, FileKind, Files, Services};

const CHUNK: usize = 32 << 10;
/// So many files are read side by side, and so many more may be asked for before the first are there.
const READERS: usize = 4;
const QUEUE: usize = 1024;

/// The bits of Go's `os.FileMode` that are not Unix's.
const GO_DIRECTORY: u32 = 1 << 31;
const GO_SYMLINK: u32 = 1 << 27;
const GO_SPECIAL: [(u32, u32); 3] = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];

type Sender = mpsc::Sender<Result<Packet, Status>>;

#[tonic::async_trait]
impl FileSync for Services {
    type DiffCopyStream = Pin<Box<dyn Stream<Item = Result<Packet, Status>> + Send>>;
    type TarStreamStream = Self::DiffCopyStream;

    async fn diff_copy(&self, request: Request<Streaming<Packet>>) -> Result<Response<Self::DiffCopyStream>, Status> {
        let wanted = Wanted::read(request.metadata())?;
        let files = self.directories.get(&wanted.directory).cloned();
        let files = files.ok_or_else(|| Status::not_found(format!("no directory {} is offered", wanted.directory)))?;
        let (sender, receiver) = mpsc::channel(64);
        tokio::spawn(send(wanted, files, request.into_inner(), sender, Arc::clone(&self.sent)));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn tar_stream(&self, _: Request<Streaming<Packet>>) -> Result<Response<Self::TarStreamStream>, Status> {
        Err(Status::unimplemented("files are synchronised by DiffCopy"))
    }
}

async fn send(
    wanted: Wanted,
    files: Arc<dyn Files>,
    mut asked: Streaming<Packet>,
    sender: Sender,
    sent: Arc<AtomicU64>,
) {
    let (listing, lister) = (Arc::clone(&files), sender.clone());
    let listed = tokio::task::spawn_blocking(move || {
        let entries = wanted.walk(&*listing)?;
        for entry in entries.iter().map(Some).chain([None]) {
            if lister.blocking_send(Ok(stat(entry))).is_err() {
                break;
            }
        }
        Ok::<_, std::io::Error>(entries)
    });
    let entries = match listed.await.map_err(std::io::Error::other).flatten() {
        Ok(entries) => Arc::new(entries),
        Err(error) => return drop(sender.send(Ok(failure(error.to_string()))).await),
    };
    let (ids, queue) = mpsc::channel(QUEUE);
    let queue = Arc::new(Mutex::new(queue));
    for _ in 0..READERS {
        let (files, entries) = (Arc::clone(&files), Arc::clone(&entries));
        let (queue, sender, sent) = (Arc::clone(&queue), sender.clone(), Arc::clone(&sent));
        tokio::task::spawn_blocking(move || read(&*files, &entries, &queue, &sender, &sent));
    }
    while let Ok(Some(packet)) = asked.message().await {
        match packet.r#type() {
            PacketType::PacketReq if ids.send(packet.id).await.is_err() => return,
            PacketType::PacketFin => {
                drop(sender.send(Ok(Packet { r#type: PacketType::PacketFin.into(), ..Packet::default() })).await);
                return;
            }
            _ => {}
        }
    }
}

/// Sends what is asked for until nobody asks any more, or it fails. Blocks.
fn read(
    files: &dyn Files,
    entries: &[FileEntry],
    queue: &Mutex<mpsc::Receiver<u32>>,
    sender: &Sender,
    sent: &AtomicU64,
) {
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
    while let Some(id) = next() {
        if let Err(reason) = content(files, entries, id, sender, sent) {
            drop(sender.blocking_send(Ok(failure(reason))));
            return;
        }
    }
}

fn failure(reason: String) -> Packet {
    Packet { r#type: PacketType::PacketErr.into(), data: reason.into_bytes(), ..Packet::default() }
}

/// One line of the listing; `None` ends it.
fn stat(entry: Option<&FileEntry>) -> Packet {
    Packet { r#type: PacketType::PacketStat.into(), stat: entry.map(to_stat), ..Packet::default() }
}

/// Owners are not sent: files of a context belong to root, as they do for buildx.
fn to_stat(entry: &FileEntry) -> Stat {
    let special = GO_SPECIAL.iter().filter(|(unix, _)| entry.mode & unix != 0).map(|(_, go)| go).sum::<u32>();
    let mode = (entry.mode & 0o777) | special;
    let base = Stat { path: entry.path.clone(), mod_time: entry.mtime, ..Stat::default() };
    match &entry.kind {
        FileKind::File(size) => Stat { mode, size: i64::try_from(*size).unwrap_or(i64::MAX), ..base },
        FileKind::Directory => Stat { mode: mode | GO_DIRECTORY, ..base },
        FileKind::Symlink(target) => Stat { mode: mode | GO_SYMLINK, linkname: target.clone(), ..base },
    }
}

/// Sends the bytes of the entry with this number, and an empty packet as their end. Blocks.
fn content(files: &dyn Files, entries: &[FileEntry], id: u32, sender: &Sender, sent: &AtomicU64) -> Result<(), String> {
    let entry = entries.get(id as usize).ok_or_else(|| format!("file {id} was never listed"))?;
    let failed = |error: std::io::Error| format!("{}: {error}", entry.path);
    let mut file = files.open(&entry.path).map_err(failed)?;
    loop {
        let mut data = vec![0; CHUNK];
        let length = file.read(&mut data).map_err(failed)?;
        data.truncate(length);
        sent.fetch_add(length as u64, Ordering::Relaxed);
        let packet = Packet { r#type: PacketType::PacketData.into(), id, data, ..Packet::default() };
        let gone = sender.blocking_send(Ok(packet)).is_err();
        if gone || length == 0 {
            return Ok(());
        }
    }
}
