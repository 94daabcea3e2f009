//! RUN: ten small steps over a Debian base, and one that makes a hundred thousand files.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::fixtures::debian_base;

use crate::Failure;
use crate::measure::{Runner, alternate, peak_memory, timed, typical};
use crate::report::Report;
use crate::workspace::{Workspace, command, text};

/// How many small steps.
const STEPS: usize = 10;
const OUTPUT: &str = "type=image,store=true,compression=uncompressed";

/// A directory with a base, unpacked for the floor, and a store that knows it.
struct Ground<'w> {
    workspace: &'w Workspace,
    layout: PathBuf,
    dir: PathBuf,
    root: PathBuf,
    store: PathBuf,
}

impl<'w> Ground<'w> {
    fn new(workspace: &'w Workspace, dir: &Path) -> Result<Option<Self>, Failure> {
        let Some(base) = debian_base() else { return Ok(None) };
        let (root, store, layout) = (dir.join("debian"), dir.join("store"), base.layout().to_owned());
        let ground = Ground { workspace, layout, dir: dir.to_owned(), store, root };
        let context = ground.context("unpack", "FROM base\n")?;
        timed(vec![ground.build(&context, 0, &format!("type=local,dest={}", text(&ground.root)?))])?;
        Ok(Some(ground))
    }

    fn context(&self, name: &str, dockerfile: &str) -> Result<PathBuf, Failure> {
        let context = self.dir.join(name);
        fs::create_dir_all(&context)?;
        fs::write(context.join("Dockerfile"), dockerfile)?;
        Ok(context)
    }

    fn build(&self, context: &Path, round: u64, output: &str) -> Command {
        let mut build = self.workspace.build(&self.store, context, "run", output);
        build.arg(format!("--build-context=base=oci-layout://{}", self.layout.display()));
        build.arg(format!("--build-arg=ROUND={round}"));
        build
    }

    /// Leaves nothing in the store but the base, unpacked: memory that held a step's files is there for the next, as for the
    /// floor, which removes what it made.
    fn sweep(&self) -> Result<(), Failure> {
        let binary = text(&self.workspace.options.binary)?;
        timed(vec![command(binary, &["prune", "--all", "--store", text(&self.store)?])])?;
        let context = self.context("nothing", "FROM base\nRUN true\n")?;
        timed(vec![self.build(&context, 0, OUTPUT)])?;
        Ok(())
    }

    /// A script that runs commands, each over an overlay of its own on top of the ones before.
    fn floor(&self, commands: &[String]) -> Result<Command, Failure> {
        let work = self.dir.join("floor");
        match fs::remove_dir_all(&work) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => fs::create_dir(&work)?,
        }
        let mut script = format!("set -e; cd {}; lower={}\n", text(&work)?, text(&self.root)?);
        for (step, run) in commands.iter().enumerate() {
            script += &format!(
                "mkdir u{step} w{step} m{step}\n\
                 mount -t overlay overlay -o lowerdir=$lower,upperdir=u{step},workdir=w{step} m{step}\n\
                 unshare -mpfui --root m{step} sh -c '{run}'\n\
                 umount m{step}; lower=$PWD/u{step}:$lower\n"
            );
        }
        Ok(command("sh", &["-c", &script]))
    }

    /// What the first step of the floor changed, read and hashed.
    fn tar(&self) -> Result<Command, Failure> {
        let script = format!("tar -C {} -cf - . | sha256sum", text(&self.dir.join("floor/u0"))?);
        Ok(command("sh", &["-c", &script]))
    }
}

fn step(number: usize) -> String {
    format!("echo $ROUND {number} > /step{number}; mkdir -p /srv/{number}")
}

/// Ten small steps: all to be run, and none.
pub(crate) fn steps(workspace: &Workspace, report: &mut Report) -> Result<(), Failure> {
    let Some(ground) = Ground::new(workspace, &workspace.path("run"))? else { return Ok(()) };
    let steps: Vec<String> = (0..STEPS).map(step).collect();
    let runs: String = steps.iter().map(|step| format!("RUN {step}\n")).collect();
    let context = ground.context("steps", &format!("FROM base\nARG ROUND\n{runs}"))?;
    timed(vec![ground.build(&context, 1, OUTPUT)])?;
    let mut runners = vec![
        Runner::new("floor: ten overlays, ten unshare", |_| Ok(vec![ground.floor(&steps)?])),
        Runner::new("shipsmith, all ten run", |round| Ok(vec![ground.build(&context, 100 + round, OUTPUT)])),
        Runner::new("shipsmith, nothing changed", |_| Ok(vec![ground.build(&context, 1, OUTPUT)])),
    ];
    let samples = alternate(&mut runners, workspace.options.rounds * 3)?;
    report.table("Ten small RUN steps on Debian", "floor: ten overlays, ten unshare", &runners, &samples);
    let wall = |name| typical(&samples, name, |sample| sample.wall);
    let ratio = wall("shipsmith, all ten run") / wall("floor: ten overlays, ten unshare");
    report.goal("ten RUN steps, of floor", 3.0, ratio);
    report.goal("ten RUN steps unchanged, ms", 30.0, 1e3 * wall("shipsmith, nothing changed"));
    Ok(())
}

/// Many small files made by one step: what it costs to read and write them, beyond the step itself. In memory where there
/// is room: a disk's journal would cost many times as much, for floor and builder alike. In each round the files are new to
/// the store.
pub(crate) fn files(workspace: &Workspace, report: &mut Report) -> Result<(), Failure> {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir_in(workspace.path("."))? };
    let Some(ground) = Ground::new(workspace, dir.path())? else { return Ok(()) };
    let count = if workspace.options.quick { 10_000 } else { 100_000 };
    let make = format!("mkdir /f; cd /f; seq {count} | sed s/^/$ROUND./ | split -l 1 -a 5");
    let context = ground.context("files", &format!("FROM base\nARG ROUND\nRUN {make}\n"))?;
    let once = [make];
    let mut runners = vec![
        Runner::new(ALONE, |_| Ok(vec![ground.floor(&once)?])),
        Runner::new(TAR, |_| Ok(vec![ground.tar()?])),
        Runner::new(WHOLE, |round| {
            ground.sweep()?;
            Ok(vec![ground.build(&context, 100 + round, OUTPUT)])
        }),
    ];
    let samples = alternate(&mut runners, workspace.options.rounds)?;
    let title = format!("One RUN that makes {count} files, into the store");
    report.table(&title, TAR, &runners, &samples);
    let wall = |name| typical(&samples, name, |sample| sample.wall);
    let own = (wall(WHOLE) - wall(ALONE)) / wall(TAR);
    report.goal(format!("{count} files of a RUN, beyond the command, of tar to sha256sum"), 1.5, own);
    let peak = peak_memory(vec![ground.build(&context, 99, OUTPUT)])?;
    report.memory(&[(title, peak)]);
    report.goal("peak memory of that, MB", 100.0, peak as f64 / 1e6);
    Ok(())
}

const ALONE: &str = "the command alone, over an overlay";
const TAR: &str = "tar to sha256sum of what it made";
const WHOLE: &str = "shipsmith, command and layer";
