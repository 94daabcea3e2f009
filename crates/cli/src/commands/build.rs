//! `shipsmith build`.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use engine::{BuildReport, Engine, EventSink};

use super::output::print_line;
use super::runtime::block_on;
use super::{call, client, metadata, open_store};
use crate::args::{BuildArgs, GlobalArgs};
use crate::failure::{Exit, Failure};
use crate::render::{Timed, progress};
use crate::request::{self, Build, Display, Method, Process, Timings};

/// Builds, or says something about the Dockerfile, as `--call` asks.
pub(super) fn run(args: &BuildArgs, global: &GlobalArgs) -> Result<Exit, Failure> {
    let build = request::build(args, &Process)?;
    if build.call.method != Method::Build {
        return call::run(&build, global);
    }
    remove_stale(build.iidfile.as_deref())?;
    let store = open_store(global)?;
    let sink = Arc::new(Timed::new(progress(build.display)));
    let built = block_on(async {
        let engine = Engine::new(store, client()?);
        Ok(engine.build(&build.request, Arc::clone(&sink) as Arc<dyn EventSink>).await?)
    });
    if let Some(timings) = &build.timings {
        show_timings(&sink, timings)?;
    }
    report(&build, &built?)?;
    Ok(Exit::Done)
}

/// An id of an earlier build must not be taken for that of one that failed.
fn remove_stale(iidfile: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = iidfile else { return Ok(()) };
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::file("remove", path, &error)),
        _ => Ok(()),
    }
}

fn report(build: &Build, built: &BuildReport) -> Result<(), Failure> {
    if let Some(path) = &build.iidfile {
        write(path, metadata::image_id(built).unwrap_or_default().as_bytes())?;
    }
    if let Some(path) = &build.metadata_file {
        write(path, metadata::of(built).as_bytes())?;
    }
    match build.display {
        Display::Quiet => metadata::image_id(built).map_or(Ok(()), |id| print_line(&id)),
        Display::Plain | Display::Tty => {
            let _gone = io::stderr().write_all(metadata::summary(built).as_bytes());
            Ok(())
        }
        Display::RawJson | Display::None => Ok(()),
    }
}

fn show_timings(sink: &Timed, timings: &Timings) -> Result<(), Failure> {
    let _gone = io::stderr().write_all(sink.table().as_bytes());
    match &timings.trace {
        Some(path) => write(path, sink.trace().to_string().as_bytes()),
        None => Ok(()),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|error| Failure::file("write", path, &error))
}
