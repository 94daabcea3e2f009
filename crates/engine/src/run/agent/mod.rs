//! The agent that a RUN may ask for signatures (draft-ietf-sshm-ssh-agent): ours, with keys from files, or the user's.
//!
//! Between a command and the user's agent stands this one, as in BuildKit: whoever runs a build lends signatures, not the right to
//! add, remove or lock keys.

mod key;
mod wire;

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use self::wire::{Parts, put, put_number, receive, send, strings};
use crate::Agent;

pub use key::{AgentKey, AgentKeyError};

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES: u8 = 12;
const REQUEST_SIGNATURE: u8 = 13;
const SIGNATURE: u8 = 14;

/// An agent that listens on a socket of the host for as long as this lives.
#[derive(Debug)]
pub(crate) struct Served {
    socket: PathBuf,
    ended: Arc<AtomicBool>,
    /// Nobody else's: the socket lies in it.
    _directory: tempfile::TempDir,
}

impl Served {
    /// Begins to serve.
    pub(crate) fn start(agent: &Agent) -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let directory = tempfile::Builder::new().prefix("shipsmith-agent").tempdir()?;
        let socket = directory.path().join("socket");
        let listener = UnixListener::bind(&socket)?;
        let (agent, over) = (agent.clone(), Arc::clone(&ended));
        thread::spawn(move || serve(&listener, &agent, &over));
        Ok(Self { socket, ended, _directory: directory })
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // It waits for somebody.
        drop(UnixStream::connect(&self.socket));
    }
}

fn serve(listener: &UnixListener, agent: &Agent, ended: &AtomicBool) {
    for connection in listener.incoming() {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        let agent = agent.clone();
        if let Ok(connection) = connection {
            thread::spawn(move || drop(converse(connection, &agent)));
        }
    }
}

fn converse(mut client: UnixStream, agent: &Agent) -> io::Result<()> {
    let mut asked = match agent {
        Agent::Socket(path) => Asked::Users(UnixStream::connect(path)?),
        Agent::Keys(keys) => Asked::Own(keys),
    };
    while let Some(request) = receive(&mut client)? {
        send(&mut client, &asked.answer(&request)?)?;
    }
    Ok(())
}

/// Who knows the keys.
enum Asked<'a> {
    Users(UnixStream),
    Own(&'a [AgentKey]),
}

impl Asked<'_> {
    fn answer(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        match (request.first(), self) {
            (Some(&(REQUEST_IDENTITIES | REQUEST_SIGNATURE)), Asked::Users(agent)) => {
                send(agent, request)?;
                receive(agent)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
            }
            (Some(&REQUEST_IDENTITIES), Asked::Own(keys)) => Ok(identities(keys)),
            (Some(&REQUEST_SIGNATURE), Asked::Own(keys)) => Ok(signature(keys, request).unwrap_or(vec![FAILURE])),
            _ => Ok(vec![FAILURE]),
        }
    }
}

fn identities(keys: &[AgentKey]) -> Vec<u8> {
    let mut answer = vec![IDENTITIES];
    put_number(&mut answer, keys.len());
    keys.iter().for_each(|key| answer.extend(strings(&[&key.public, key.comment.as_bytes()])));
    answer
}

fn signature(keys: &[AgentKey], request: &[u8]) -> Option<Vec<u8>> {
    let mut parts = Parts(request);
    let (_, public, data, flags) = (parts.byte()?, parts.string()?, parts.string()?, parts.number()?);
    let key = keys.iter().find(|key| key.public == public)?;
    let mut answer = vec![SIGNATURE];
    put(&mut answer, &key.sign(data, flags)?);
    Some(answer)
}
