//! How progress looks. Everything here goes to standard error; results have standard output to
//! themselves.

mod many;
mod plain;
mod rawjson;
mod table;
mod text;
mod time;
mod timings;
mod tty;

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use engine::{EventSink, Silent};

use crate::request::Display;

pub(crate) use table::table;
pub(crate) use text::{clean, size};
pub(crate) use timings::Timed;

/// What shows the events of one command.
pub(crate) fn progress(display: Display) -> Box<dyn EventSink> {
    match display {
        Display::Plain => Box::new(plain::Plain::new(io::stderr())),
        Display::Tty => Box::new(tty::Tty::new()),
        Display::RawJson => Box::new(rawjson::RawJson::new(io::stderr(), std::time::SystemTime::now())),
        Display::Quiet | Display::None => Box::new(Silent),
    }
}

/// What shows the events of many builds at once.
pub(crate) fn progress_of_many(display: Display) -> Box<dyn EventSink> {
    match display {
        Display::Plain => Box::new(many::Many::new(many::Plain::new(io::stderr()))),
        Display::Tty => Box::new(many::Many::new(many::Tty::new())),
        Display::RawJson | Display::Quiet | Display::None => progress(display),
    }
}

/// Where lines are shown. Whoever reads them may go away: that fails no build.
trait Lines: Write + Send {
    fn line(&mut self, line: &str) {
        let _gone = self.write_all(format!("{line}\n").as_bytes());
    }
}

impl<W: Write + Send> Lines for W {}

/// A vertex' name, after that of its image where there are several.
fn of_job(job: Option<&str>, name: String) -> String {
    match job {
        Some(job) => format!("{job}: {name}"),
        None => name,
    }
}

/// The state behind a lock. A thread that panicked while it showed something left nothing half
/// done that matters.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
