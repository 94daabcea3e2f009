//! Passing on what a process writes until it ends.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read};

use crate::spawn::{Worker, pipe};
use crate::wire::Answer;
use crate::{Cause, Error, Exit, Stop, Stream};

/// As much as a pipe holds.
const BUFFER: usize = 64 << 10;

/// The ends of both pipes that we read from.
pub(crate) struct Output {
    sources: Vec<(Stream, OwnedFd)>,
    buffer: Vec<u8>,
}

/// The ends that the process writes to.
pub(crate) struct Ends {
    pub output: OwnedFd,
    pub error: OwnedFd,
}

impl Output {
    #[allow(clippy::new_ret_no_self, reason = "the two sides of a pipe are made together")]
    pub(crate) fn new() -> Result<(Output, Ends), Error> {
        let ((output, to_output), (error, to_error)) = (pipe()?, pipe()?);
        let sources = vec![(Stream::Output, output), (Stream::Error, error)];
        Ok((Output { sources, buffer: vec![0; BUFFER] }, Ends { output: to_output, error: to_error }))
    }

    /// Until the worker says how the process ended, and nobody has the pipes open any more.
    pub(crate) fn listen(
        mut self,
        worker: &mut Worker,
        output: &mut (dyn FnMut(Stream, &[u8]) + Send),
        stop: &Stop,
    ) -> Result<Exit, Error> {
        let mut exit = None;
        while exit.is_none() || !self.sources.is_empty() {
            let (stopped, answered, ready) = self.wait(worker, exit.is_none(), stop)?;
            if stopped {
                return Err(Error::Stopped);
            }
            self.pass_on(&ready, output)?;
            if answered {
                exit = Some(ended(worker.answer()?)?);
            }
        }
        exit.ok_or_else(|| Error::Worker("ended without an answer".into()))
    }

    /// Which of the switch, the worker and the pipes have something to say.
    fn wait(&self, worker: &Worker, expects: bool, stop: &Stop) -> Result<(bool, bool, Vec<bool>), Error> {
        let mut fds = vec![PollFd::new(stop, PollFlags::IN)];
        fds.extend(self.sources.iter().map(|(_, fd)| PollFd::new(fd, PollFlags::IN)));
        if expects {
            fds.push(PollFd::from_borrowed_fd(worker.channel.as_fd(), PollFlags::IN));
        }
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Cause::at("wait for the command")(errno)),
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let stopped = ready.next().unwrap_or(false);
        let pipes: Vec<bool> = ready.by_ref().take(self.sources.len()).collect();
        Ok((stopped, ready.next().unwrap_or(false), pipes))
    }

    fn pass_on(&mut self, ready: &[bool], output: &mut (dyn FnMut(Stream, &[u8]) + Send)) -> Result<(), Error> {
        let mut kept = Vec::new();
        for ((stream, fd), ready) in std::mem::take(&mut self.sources).into_iter().zip(ready) {
            let got = match ready {
                false => None,
                true => Some(read(&fd, &mut self.buffer).map_err(Cause::at("read what the command writes"))?),
            };
            if let Some(bytes) = got.and_then(|length| self.buffer.get(..length)).filter(|bytes| !bytes.is_empty()) {
                output(stream, bytes);
            }
            if got != Some(0) {
                kept.push((stream, fd));
            }
        }
        self.sources = kept;
        Ok(())
    }
}

fn ended(answer: Answer) -> Result<Exit, Error> {
    match answer {
        Answer::Ended(exit) => Ok(exit),
        other => Err(Error::Worker(format!("said {other:?} when the command was to end"))),
    }
}
