//! A container engine on this machine as a destination: Docker over its API, or podman.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bytes::Bytes;
use futures_util::stream::{self, TryStreamExt};
use oci::{Descriptor, Reference};
use store::{ArchiveFormat, NamedImage, Store};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::mpsc;

use super::local::put_documents;
use crate::Error;
use crate::assemble::Artifact;
use crate::layers::blocking;

/// Loading a large image takes an engine its time.
const PATIENCE: Duration = Duration::from_secs(3600);
const CHUNK: usize = 256 << 10;

/// Loads `artifact`, whose blobs are all in the store, under `names`.
pub(crate) async fn load(store: &Arc<Store>, artifact: &Artifact, names: &[Reference]) -> Result<String, Error> {
    put_documents(store, artifact)?;
    match artifact.root() {
        Some(root) => load_stored(store, &root.descriptor, names).await,
        None => Ok(String::new()),
    }
}

/// Loads an image of the store, which has all of it, under `names`.
pub(crate) async fn load_stored(store: &Arc<Store>, image: &Descriptor, names: &[Reference]) -> Result<String, Error> {
    let images = vec![NamedImage { image: image.clone(), names: names.to_vec() }];
    match (docker().await, podman()) {
        (Ok(docker), _) => into_docker(&docker, archive(Arc::clone(store), images)).await,
        (Err(_), Some(program)) => into_podman(&program, archive(Arc::clone(store), images)).await,
        (Err(error), None) => Err(error),
    }
}

/// The engine that DOCKER_HOST names, or the one at the usual socket, if it answers.
async fn docker() -> Result<Docker, Error> {
    let failed = |error: bollard::errors::Error| Error::Engine(error.to_string());
    let docker = Docker::connect_with_defaults().map_err(failed)?.with_timeout(PATIENCE);
    docker.ping().await.map_err(failed)?;
    Ok(docker)
}

fn podman() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join("podman")).find(|program| is_program(program))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

type Archive = mpsc::Receiver<Result<Bytes, Error>>;

/// The image as a Docker archive, made as it is read.
fn archive(store: Arc<Store>, images: Vec<NamedImage>) -> Archive {
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        let sink = Pipe { sender: sender.clone(), buffer: Vec::with_capacity(CHUNK) };
        let write = blocking(move || {
            let mut sink = store::export(&images, ArchiveFormat::Docker, &*store, sink)?;
            sink.flush().map_err(|error| Error::Internal(error.to_string()))
        });
        if let Err(error) = write.await {
            let _ = sender.send(Err(error)).await;
        }
    });
    receiver
}

async fn into_docker(docker: &Docker, archive: Archive) -> Result<String, Error> {
    let body = stream::unfold(archive, |mut archive| async move { archive.recv().await.map(|item| (item, archive)) });
    let options = bollard::query_parameters::ImportImageOptionsBuilder::default().quiet(true).build();
    let answers = docker.import_image_stream(options, body, None);
    let answers: Vec<_> = answers.map_err(|error| Error::Load(error.to_string())).try_collect().await?;
    let failure = answers.iter().find_map(|answer| answer.error_detail.as_ref()?.message.clone());
    match failure {
        Some(message) => Err(Error::Load(message)),
        None => Ok(answers.into_iter().filter_map(|answer| answer.stream).collect()),
    }
}

async fn into_podman(program: &Path, mut archive: Archive) -> Result<String, Error> {
    let failed = |error: io::Error| Error::Engine(format!("{}: {error}", program.display()));
    let mut child = Command::new(program)
        .args(["load", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        while let Some(chunk) = archive.recv().await {
            // A refusal shows in its own words below.
            if input.write_all(&chunk?).await.is_err() {
                break;
            }
        }
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Load(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// Hands what is written to it to a channel.
struct Pipe {
    sender: mpsc::Sender<Result<Bytes, Error>>,
    buffer: Vec<u8>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = Bytes::from(std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK)));
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the engine stopped reading");
        self.sender.blocking_send(Ok(chunk)).map_err(gone)
    }
}
