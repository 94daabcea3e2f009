//! The asynchronous part of a command, and how it is stopped.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Exit, Failure};

/// How long threads that are in the middle of something have to end it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs work to its end, or until the user asks to stop: the work is dropped then, which removes
/// what it left half done. Who asks twice does not wait for that.
///
/// One thread waits for everything, and moves all that comes from connections or goes to them. What computes or blocks has other
/// threads.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Internal, format!("cannot start threads: {error}")))?;
    let result = runtime.block_on(async {
        let mut stops = Stops::new()
            .map_err(|error| Failure::new(Exit::Internal, format!("cannot listen for signals: {error}")))?;
        tokio::select! {
            result = work => result,
            () = stops.next() => {
                tokio::spawn(async move {
                    stops.next().await;
                    std::process::exit(Exit::Interrupted as i32);
                });
                Err(Failure::new(Exit::Interrupted, "interrupted"))
            }
        }
    });
    runtime.shutdown_timeout(PATIENCE);
    result
}

/// The signals by which a user or a supervisor asks to stop.
struct Stops {
    interrupt: Signal,
    terminate: Signal,
}

impl Stops {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
