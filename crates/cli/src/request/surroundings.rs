//! What a command line leaves unsaid: the environment, the clock, the standard streams.

use std::io::{self, BufRead, IsTerminal, Read};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where a process stands.
pub(crate) trait Surroundings {
    /// A variable of the environment; one that is no text is as good as unset.
    fn variable(&self, name: &str) -> Option<String>;
    /// Seconds since 1970.
    fn now(&self) -> i64;
    /// Whether standard output is a terminal.
    fn stdout_is_terminal(&self) -> bool;
    /// Whether standard error is a terminal.
    fn stderr_is_terminal(&self) -> bool;
    /// The first bytes of standard input, which stay there.
    fn peek_stdin(&self) -> io::Result<Vec<u8>>;
    /// All of standard input.
    fn read_stdin(&self) -> io::Result<String>;
}

/// This process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process;

/// A Dockerfile that is longer is none.
const MAX_DOCKERFILE: u64 = 16 << 20;

impl Surroundings for Process {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    }

    fn stdout_is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    fn stderr_is_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }

    fn peek_stdin(&self) -> io::Result<Vec<u8>> {
        Ok(io::stdin().lock().fill_buf()?.to_vec())
    }

    fn read_stdin(&self) -> io::Result<String> {
        let mut text = String::new();
        io::stdin().lock().take(MAX_DOCKERFILE).read_to_string(&mut text)?;
        Ok(text)
    }
}
