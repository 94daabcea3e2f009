//! Running a program that makes files for images.

use std::collections::VecDeque;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command as Process};

use crate::event::{Events, Log};
use crate::{Command, Error};

/// What is told of a command's output when it fails.
const TAIL: usize = 20;

/// Runs `command` to its end. Dropping the future ends it and all that it began.
pub(super) async fn run(command: &Command, events: &Events) -> Result<(), Error> {
    let vertex = events.start(format!("[command] {}", command.name));
    let ran = execute(command, &vertex.logger()).await;
    vertex.finish(false, ran)
}

async fn execute(command: &Command, log: &Log) -> Result<(), Error> {
    let failed = |reason: String, output: String| Error::Command { name: command.name.clone(), reason, output };
    let (program, arguments) =
        command.argv.split_first().ok_or_else(|| failed("it names no program".into(), String::new()))?;
    let mut process = Process::new(program);
    process.args(arguments).envs(&command.environment).current_dir(&command.directory);
    process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    let mut child = process.spawn().map_err(|error| failed(format!("{program}: {error}"), String::new()))?;
    let _ended_when_dropped = Group::of(&child);
    let (output, error) = (child.stdout.take(), child.stderr.take());
    let (mut tail, mut errors) = (VecDeque::new(), VecDeque::new());
    let (status, (), ()) = tokio::join!(child.wait(), lines(output, log, &mut tail), lines(error, log, &mut errors));
    let status = status.map_err(|error| failed(error.to_string(), String::new()))?;
    if status.success() {
        return Ok(());
    }
    let told: Vec<String> = tail.into_iter().chain(errors).collect();
    Err(failed(status.to_string(), told.join("\n")))
}

/// Tells of each line as it comes, and keeps the last ones.
async fn lines(stream: Option<impl AsyncRead + Unpin>, log: &Log, tail: &mut VecDeque<String>) {
    let Some(stream) = stream else { return };
    let mut lines = BufReader::new(stream).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line).into_owned();
        log.line(line.clone());
        tail.push_back(line);
        if tail.len() > TAIL {
            tail.pop_front();
        }
    }
}

/// A command's processes.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.cast_signed())))
    }
}

impl Drop for Group {
    /// Also what a command left running is ended: nothing outlives the run.
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _gone = kill_process_group(group, Signal::KILL);
        }
    }
}
