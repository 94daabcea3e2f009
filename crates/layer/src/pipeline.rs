//! Hash, compress, hash, write: the way of a chunk from the tar to the sink.
//!
//! As long as other layers keep all cores busy, and for a layer of one chunk, all of this is done on the caller's thread, where
//! the chunk is still in the core's cache. Else the caller only frames and hashes the tar from the second chunk on; chunks are
//! compressed side by side, and one thread takes the results in order, hashes them and writes them. Every channel is bounded,
//! so memory is bounded by the number of threads and by what the sink keeps.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use oci::{DiffId, Digest, Hasher};

use crate::chunk::{Chunk, ChunkSink};
use crate::codec::Codec;
use crate::crowd::Place;
use crate::member::{Member, Members};
use crate::spent::{Spent, Watch};
use crate::{Compression, Error, Sink};

/// What a finished pipeline knows.
pub(crate) struct Finished<S> {
    /// Of the tar, which may be the blob.
    pub(crate) diff_id: DiffId,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) members: Vec<Member>,
    pub(crate) spent: Spent,
    pub(crate) sink: S,
}

/// Hashes and counts what it writes.
struct Tail<S> {
    hasher: Hasher,
    size: u64,
    members: Vec<Member>,
    hashing: Watch,
    sinking: Watch,
    sink: S,
}

impl<S> Tail<S> {
    fn new(sink: S) -> Tail<S> {
        let (hashing, sinking) = (Watch::new("hash"), Watch::new("write or send"));
        Tail { hasher: Hasher::new(), size: 0, members: Vec::new(), hashing, sinking, sink }
    }
}

impl<S: Sink> Tail<S> {
    fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.hashing.time(|| self.hasher.update(&bytes));
        self.size += bytes.len() as u64;
        self.sinking.time(|| self.sink.take(bytes)).map_err(Error::Write)
    }

    fn write_member(&mut self, compressed: Compressed) -> Result<(), Error> {
        let member = compressed.told.map(|told| Member {
            recipe: told.recipe,
            offset: self.size,
            length: compressed.bytes.len() as u64,
            content: told.content,
            checksum: libdeflater::crc32(&compressed.bytes),
        });
        self.members.extend(member);
        self.write(compressed.bytes.into())
    }
}

/// A compressed chunk, and what it can be found by.
struct Compressed {
    bytes: Vec<u8>,
    told: Option<Told>,
}

struct Told {
    recipe: Digest,
    /// CRC-32 of the content.
    content: u32,
}

/// A chunk on its way to the tail: as it is, or as the compressor that has it will send it.
enum Ticket {
    Plain(Chunk),
    Compressing(Receiver<Result<Compressed, Error>>),
}

/// Empty chunks that are kept for each pipeline, besides one for each compressor: some are with the sink for a while.
const SPARE: usize = 8;

struct Job {
    chunk: Chunk,
    reply: Sender<Result<Compressed, Error>>,
}

pub(crate) struct Pipeline<S> {
    compression: Compression,
    chunk_size: usize,
    threads: usize,
    diff: Option<Hasher>,
    diffing: Watch,
    spent: Spent,
    /// What earlier layers have compressed.
    members: Option<Arc<dyn Members>>,
    /// Emptied chunks to fill again, and how they come there.
    spare: Receiver<Chunk>,
    emptied: Sender<Chunk>,
    place: Place,
    stage: Stage<S>,
}

/// Where the tail is.
#[expect(clippy::large_enum_variant, reason = "one a layer, moved once")]
enum Stage<S> {
    /// Here, with the last chunk, which waits: if no other comes it needs no threads.
    Alone { tail: Tail<S>, waiting: Option<Chunk>, codec: Option<Codec> },
    /// On a thread of its own.
    Threads(Threads<S>),
    /// Nowhere any more: a thread failed and its error was reported.
    Failed,
}

struct Threads<S> {
    tickets: Sender<Ticket>,
    jobs: Option<Sender<Job>>,
    compressors: Vec<JoinHandle<Watch>>,
    tail: JoinHandle<Result<Tail<S>, Error>>,
}

impl<S: Sink> Pipeline<S> {
    /// A way to `sink` with at most `threads` compressors.
    pub(crate) fn new(
        sink: S,
        compression: Compression,
        threads: usize,
        chunk_size: usize,
        members: Option<Arc<dyn Members>>,
    ) -> Result<Pipeline<S>, Error> {
        // A wrong level is the caller's error now, not a thread's later.
        let codec = Codec::new(compression)?;
        let (emptied, spare) = bounded(threads + SPARE);
        Ok(Pipeline {
            compression,
            chunk_size,
            threads: threads.max(1),
            diff: codec.is_some().then(Hasher::new),
            diffing: Watch::new("hash the tar"),
            spent: Spent::default(),
            members,
            spare,
            emptied,
            place: Place::take(),
            stage: Stage::Alone { tail: Tail::new(sink), waiting: None, codec },
        })
    }

    /// Waits for every chunk to be written.
    pub(crate) fn finish(mut self) -> Result<Finished<S>, Error> {
        let tail = match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Alone { tail, waiting, codec } => self.finish_alone(tail, waiting, codec)?,
            Stage::Threads(threads) => threads.join(&mut self.spent)?,
            Stage::Failed => return Err(gone()),
        };
        let Tail { hasher, size, members, hashing, mut sinking, mut sink } = tail;
        sinking.time(|| sink.flush()).map_err(Error::Write)?;
        [self.diffing, hashing, sinking].into_iter().for_each(|watch| self.spent.add(watch));
        let digest = hasher.finish();
        let diff_id = DiffId(self.diff.map_or_else(|| digest.clone(), Hasher::finish));
        Ok(Finished { diff_id, digest, size, members, spent: self.spent, sink })
    }

    fn send(&mut self, chunk: Chunk) -> Result<(), Error> {
        let Stage::Threads(threads) = &self.stage else { return Err(gone()) };
        if threads.send(chunk).is_ok() {
            return Ok(());
        }
        match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Threads(threads) => Err(threads.join(&mut self.spent).err().unwrap_or_else(gone)),
            _ => Err(gone()),
        }
    }

    /// The whole way of a chunk, here.
    fn pass(&mut self, tail: &mut Tail<S>, codec: Option<&mut Codec>, chunk: Chunk) -> Result<(), Error> {
        let Some(codec) = codec else {
            return tail.write(chunk.lend(self.emptied.clone()));
        };
        let mut compressing = Watch::new("compress");
        let compressed = compressing.time(|| compress(codec, self.members.as_deref(), &chunk));
        self.spent.add(compressing);
        let _ = self.emptied.try_send(chunk.emptied());
        tail.write_member(compressed?)
    }

    /// The way of the last chunk. To look for a layer's only one would cost more than to compress it.
    fn finish_alone(
        &mut self,
        mut tail: Tail<S>,
        waiting: Option<Chunk>,
        mut codec: Option<Codec>,
    ) -> Result<Tail<S>, Error> {
        if tail.size == 0 {
            self.members = None;
        }
        if let Some(last) = waiting {
            self.pass(&mut tail, codec.as_mut(), last)?;
        }
        Ok(tail)
    }

    /// Hands the chunk that waits, and the one that came, to threads.
    fn share(&mut self, tail: Tail<S>, waiting: Chunk, chunk: Chunk) -> Result<(), Error> {
        let (members, emptied) = (self.members.clone(), self.emptied.clone());
        self.stage = Stage::Threads(Threads::start(self.compression, self.threads, members, emptied, tail)?);
        self.send(waiting)?;
        self.send(chunk)
    }
}

impl<S: Sink> ChunkSink for Pipeline<S> {
    fn take(&mut self, chunk: Chunk) -> Result<(), Error> {
        if let Some(hasher) = &mut self.diff {
            self.diffing.time(|| hasher.update(&chunk));
        }
        match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Alone { mut tail, waiting, mut codec } => {
                if let Some(waiting) = waiting {
                    if !self.place.is_crowded() {
                        return self.share(tail, waiting, chunk);
                    }
                    self.pass(&mut tail, codec.as_mut(), waiting)?;
                }
                self.stage = Stage::Alone { tail, waiting: Some(chunk), codec };
                Ok(())
            }
            running => {
                self.stage = running;
                self.send(chunk)
            }
        }
    }

    fn empty(&mut self) -> Chunk {
        self.spare.try_recv().unwrap_or_else(|_| Chunk::new(self.chunk_size))
    }
}

impl<S: Sink> Threads<S> {
    fn start(
        compression: Compression,
        threads: usize,
        members: Option<Arc<dyn Members>>,
        emptied: Sender<Chunk>,
        tail: Tail<S>,
    ) -> Result<Threads<S>, Error> {
        let (tickets, due) = bounded(threads + 2);
        // Each holds a whole chunk: enough that no compressor waits for the next one, and no more.
        let (jobs, todo) = bounded::<Job>(threads.div_ceil(2));
        let mut compressors = Vec::new();
        while compressors.len() < threads {
            let Some(codec) = Codec::new(compression)? else { break };
            let (todo, emptied, members) = (todo.clone(), emptied.clone(), members.clone());
            compressors.push(spawn("compress", move || compress_all(codec, members.as_deref(), &todo, &emptied))?);
        }
        let jobs = (!compressors.is_empty()).then_some(jobs);
        let tail = spawn("layer", move || write_all(tail, &due, &emptied))?;
        Ok(Threads { tickets, jobs, compressors, tail })
    }

    /// An error when the tail is gone: it failed.
    fn send(&self, chunk: Chunk) -> Result<(), Error> {
        let Some(jobs) = &self.jobs else {
            return self.tickets.send(Ticket::Plain(chunk)).map_err(|_| gone());
        };
        let (reply, result) = bounded(1);
        self.tickets.send(Ticket::Compressing(result)).map_err(|_| gone())?;
        jobs.send(Job { chunk, reply }).map_err(|_| gone())
    }

    fn join(self, spent: &mut Spent) -> Result<Tail<S>, Error> {
        drop((self.tickets, self.jobs));
        let tail = self.tail.join().map_err(|_| gone())?;
        for compressor in self.compressors {
            spent.add(compressor.join().map_err(|_| gone())?);
        }
        tail
    }
}

fn compress_all(
    mut codec: Codec,
    members: Option<&dyn Members>,
    todo: &Receiver<Job>,
    emptied: &Sender<Chunk>,
) -> Watch {
    let mut compressing = Watch::new("compress");
    for Job { chunk, reply } in todo {
        // Nobody waits for the reply when the tail failed; the caller learns why from the tail.
        let _ = reply.send(compressing.time(|| compress(&mut codec, members, &chunk)));
        let _ = emptied.try_send(chunk.emptied());
    }
    compressing
}

/// Compresses the chunk, unless an earlier layer has it compressed.
fn compress(codec: &mut Codec, members: Option<&dyn Members>, chunk: &Chunk) -> Result<Compressed, Error> {
    let (Some(members), Some(recipe)) = (members, chunk.recipe()) else {
        return Ok(Compressed { bytes: codec.compress(chunk)?, told: None });
    };
    let told = Told { recipe: recipe.clone(), content: libdeflater::crc32(chunk) };
    let bytes = match members.find(recipe, told.content) {
        Some(bytes) => bytes,
        None => codec.compress(chunk)?,
    };
    Ok(Compressed { bytes, told: Some(told) })
}

fn write_all<S: Sink>(mut tail: Tail<S>, due: &Receiver<Ticket>, emptied: &Sender<Chunk>) -> Result<Tail<S>, Error> {
    for ticket in due {
        match ticket {
            Ticket::Plain(chunk) => tail.write(chunk.lend(emptied.clone()))?,
            Ticket::Compressing(result) => tail.write_member(result.recv().map_err(|_| gone())??)?,
        }
    }
    Ok(tail)
}

fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, Error> {
    thread::Builder::new().name(name.into()).spawn(work).map_err(Error::Write)
}

/// Only seen when a thread panicked: otherwise its own error is reported.
pub(crate) fn gone() -> Error {
    Error::Write(std::io::Error::other("a thread of the layer's pipeline ended early"))
}
