//! The floor: what nobody can do without. Each file is read once, hashed once and sent once, over one connection per
//! core; no tar, no manifest, no look-up, no error handling worth the name.
//!
//! `shipsmith-bench floor REGISTRY REPOSITORY FILE...`

use std::fs::File;
use std::io::Read;
use std::sync::Mutex;

use oci::Hasher;

use crate::Failure;
use crate::http::Connection;

const BUFFER: usize = 1 << 20;

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let [address, repository, files @ ..] = arguments else { return Err("floor REGISTRY REPOSITORY FILE...".into()) };
    // The longest first, so that the cores end together.
    let mut files: Vec<(u64, &String)> =
        files.iter().map(|file| Ok((std::fs::metadata(file)?.len(), file))).collect::<Result<_, Failure>>()?;
    files.sort();
    let queue = Mutex::new(files);
    let next = || queue.lock().ok().and_then(|mut queue| queue.pop());
    let work = || send_all(address, repository, next).map_err(|failure| failure.to_string());
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| Ok(worker.join().map_err(|_| "a thread ended early")??))
    })
}

fn send_all<'a>(address: &str, repository: &str, next: impl Fn() -> Option<(u64, &'a String)>) -> Result<(), Failure> {
    let mut connection = Connection::open(address)?;
    let mut buffer = vec![0; BUFFER];
    while let Some((size, file)) = next() {
        send(&mut connection, repository, size, &mut File::open(file)?, &mut buffer)?;
    }
    Ok(())
}

fn send(
    connection: &mut Connection,
    repository: &str,
    size: u64,
    file: &mut File,
    buffer: &mut [u8],
) -> Result<(), Failure> {
    connection.head("POST", &format!("/v2/{repository}/blobs/uploads/"), 0)?;
    let session = connection.answer()?;
    connection.head("PATCH", &connection.path(&session)?, size)?;
    let mut hasher = Hasher::new();
    loop {
        let count = file.read(buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        connection.body(&buffer[..count])?;
    }
    let sent = connection.answer()?;
    let path = connection.path(&sent)?;
    let join = if path.contains('?') { '&' } else { '?' };
    connection.head("PUT", &format!("{path}{join}digest={}", hasher.finish()), 0)?;
    connection.answer().map(drop)
}
