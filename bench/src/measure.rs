//! Running programs and taking their time, processor time and memory.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use crate::Failure;

/// What one run took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    /// By the clock, in seconds.
    pub(crate) wall: f64,
    /// Of the programs started, user and system, in seconds; a daemon's is not seen.
    pub(crate) cpu: f64,
}

/// In how many rounds peers take part.
const PEER_ROUNDS: usize = 2;

/// What a contender does in one round: preparation is not measured.
pub(crate) struct Runner<'a> {
    /// Its name in tables.
    pub(crate) name: String,
    /// In how many rounds it takes part at most.
    pub(crate) rounds: usize,
    /// Makes everything ready; gives what is to be measured, all started at once.
    pub(crate) prepare: Box<dyn FnMut(u64) -> Result<Vec<Command>, Failure> + 'a>,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(
        name: impl Into<String>,
        prepare: impl FnMut(u64) -> Result<Vec<Command>, Failure> + 'a,
    ) -> Runner<'a> {
        Runner { name: name.into(), rounds: usize::MAX, prepare: Box::new(prepare) }
    }

    /// Another builder: it takes long, and its exact figure matters less than ours.
    pub(crate) fn peer(
        name: impl Into<String>,
        prepare: impl FnMut(u64) -> Result<Vec<Command>, Failure> + 'a,
    ) -> Runner<'a> {
        Runner { rounds: PEER_ROUNDS, ..Runner::new(name, prepare) }
    }

    /// The same, made ready by `first` before its own preparation.
    pub(crate) fn after(mut self, first: &'a dyn Fn() -> Result<(), Failure>) -> Runner<'a> {
        let mut own = self.prepare;
        self.prepare = Box::new(move |round| {
            first()?;
            own(round)
        });
        self
    }
}

/// Runs all contenders in turns, so that whatever else the machine does meets all of them. Gives each one's samples.
pub(crate) fn alternate(runners: &mut [Runner<'_>], rounds: usize) -> Result<Samples, Failure> {
    let mut samples = Samples::new();
    for round in 0..rounds as u64 {
        for runner in runners.iter_mut().filter(|runner| round < runner.rounds as u64) {
            let commands = (runner.prepare)(round)?;
            let sample = timed(commands).map_err(|failure| format!("{}: {failure}", runner.name))?;
            eprintln!("   {:44} {:8.3} s {:8.3} s cpu", runner.name, sample.wall, sample.cpu);
            samples.entry(runner.name.clone()).or_default().push(sample);
        }
    }
    Ok(samples)
}

/// Starts all commands at once and waits for the last.
pub(crate) fn timed(commands: Vec<Command>) -> Result<Sample, Failure> {
    let (began, before) = (Instant::now(), cpu()?);
    let children = start(commands)?;
    wait(children)?;
    Ok(Sample { wall: began.elapsed().as_secs_f64(), cpu: cpu()? - before })
}

fn start(commands: Vec<Command>) -> Result<Vec<Child>, Failure> {
    let mut children = Vec::new();
    for mut command in commands {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
        children.push(child);
    }
    Ok(children)
}

fn wait(children: Vec<Child>) -> Result<(), Failure> {
    for child in children {
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into());
        }
    }
    Ok(())
}

fn cpu() -> Result<f64, Failure> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// The largest sum of resident memory that the commands' process trees had, in bytes; looked at every two milliseconds.
pub(crate) fn peak_memory(commands: Vec<Command>) -> Result<u64, Failure> {
    let children = start(commands)?;
    let roots: Vec<u32> = children.iter().map(Child::id).collect();
    let (ended, peak) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                let sum = roots.iter().map(|root| tree_memory(*root)).sum();
                peak.fetch_max(sum, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let waited = wait(children);
        ended.store(true, Ordering::Relaxed);
        waited
    })?;
    Ok(peak.into_inner())
}

/// Resident memory of a process and its descendants, in bytes.
fn tree_memory(process: u32) -> u64 {
    let read = |path: String| fs::read_to_string(path).unwrap_or_default();
    let pages = read(format!("/proc/{process}/statm")).split(' ').nth(1).and_then(|pages| pages.parse().ok());
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let children = threads.flat_map(|thread| {
        let path = thread.path().join("children");
        read(path.display().to_string()).split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()
    });
    pages.unwrap_or(0u64) * 4096 + children.map(tree_memory).sum::<u64>()
}

/// Samples by the names of runners.
pub(crate) type Samples = BTreeMap<String, Vec<Sample>>;

/// The middle of what `pick` takes of a runner's samples.
pub(crate) fn typical(samples: &Samples, name: &str, pick: impl Fn(&Sample) -> f64) -> f64 {
    median(samples.get(name).into_iter().flatten().map(pick))
}

/// How long `name` took, in parts of what `reference` took: round by round, as what disturbed one disturbed the other.
pub(crate) fn ratio(samples: &Samples, name: &str, reference: &str) -> f64 {
    let of = |name: &str| samples.get(name).into_iter().flatten();
    median(of(name).zip(of(reference)).map(|(one, other)| one.wall / other.wall))
}

/// The middle value.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Half the distance between the quartiles, as a part of the median: how noisy it was.
pub(crate) fn noise(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let at = |part: usize| sorted.get((sorted.len().saturating_sub(1)) * part / 4).copied().unwrap_or_default();
    if at(2) > 0.0 { (at(3) - at(1)) / 2.0 / at(2) } else { 0.0 }
}
