//! How builder and worker talk: JSON with a length before it over a socket, descriptors beside the first byte.

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::task::Task;
use crate::{Cause, Error, Exit};

/// The most descriptors that come with an order.
const MAX_FDS: usize = 4;
/// Far beyond any description of a step; a length above it is no length.
const MAX_MESSAGE: u32 = 1 << 28;

/// What a worker is told, once.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Whether the first descriptor is a user namespace to enter.
    pub namespace: bool,
    /// What to do then.
    pub task: Task,
}

/// What a worker tells.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The process has ended and nothing is left of it; what it changed comes next on the archive's pipe.
    Ended(Exit),
    /// The worker waits in a new user namespace for its ids to be mapped.
    Waiting,
    /// The task is done.
    Done,
    /// The task failed.
    Failed(Error),
}

/// One end.
#[derive(Debug)]
pub(crate) struct Channel(UnixStream);

impl Channel {
    pub(crate) fn new(fd: impl Into<OwnedFd>) -> Channel {
        Channel(UnixStream::from(fd.into()))
    }

    /// Both ends.
    pub(crate) fn pair() -> Result<(Channel, OwnedFd), Error> {
        let (ours, theirs) = UnixStream::pair().map_err(Cause::at("make a socket"))?;
        Ok((Channel(ours), theirs.into()))
    }

    /// Sends descriptors; first, and once.
    pub(crate) fn send_descriptors(&self, fds: &[BorrowedFd<'_>]) -> Result<(), Error> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(fds));
        }
        sendmsg(&self.0, &[IoSlice::new(b"!")], &mut control, SendFlags::NOSIGNAL)
            .map(drop)
            .map_err(Cause::at("send descriptors to the worker"))
    }

    /// Receives what [`Channel::send_descriptors`] sent.
    pub(crate) fn receive_descriptors(&self) -> Result<Vec<OwnedFd>, Error> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        recvmsg(&self.0, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)
            .map_err(Cause::at("receive descriptors"))?;
        Ok(control
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(fds) => Some(fds),
                _ => None,
            })
            .flatten()
            .collect())
    }

    /// Sends one message.
    pub(crate) fn send(&self, message: &impl Serialize) -> Result<(), Error> {
        let body = serde_json::to_vec(message).map_err(|error| Error::Worker(format!("cannot be told: {error}")))?;
        let length = u32::try_from(body.len()).map_err(|_| Error::Worker("cannot be told that much".into()))?;
        let mut stream = &self.0;
        stream
            .write_all(&length.to_be_bytes())
            .and_then(|()| stream.write_all(&body))
            .map_err(Cause::at("talk to the other process"))
    }

    /// Waits for one message; `None` when the other side is gone.
    pub(crate) fn receive<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        let mut length = [0; 4];
        let mut stream = &self.0;
        match stream.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if gone(&error) => return Ok(None),
            Err(error) => return Err(Cause::at("listen to the other process")(error)),
        }
        let length = u32::from_be_bytes(length);
        if length > MAX_MESSAGE {
            return Err(Error::Worker("said more than it can".into()));
        }
        let mut body = vec![0; length as usize];
        match stream.read_exact(&mut body) {
            Ok(()) => {}
            Err(error) if gone(&error) => return Ok(None),
            Err(error) => return Err(Cause::at("listen to the other process")(error)),
        }
        serde_json::from_slice(&body).map(Some).map_err(|error| Error::Worker(format!("was not understood: {error}")))
    }

    /// Tells the other side that nothing more is wanted; it can still answer.
    pub(crate) fn hang_up(&self) {
        drop(self.0.shutdown(std::net::Shutdown::Write));
    }
}

fn gone(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
