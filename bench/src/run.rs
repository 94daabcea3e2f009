//! RUN: ten small steps over a Debian base, and one that makes a hundred thousand files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::fixtures::debian_base;

use crate::Failure;
use crate::measure::{Runner, alternate, peak_memory, timed};
use crate::report::Report;
use crate::workspace::{Workspace, command, text};

/// How many small steps.
const STEPS: usize = 10;
const OUTPUT: &str = "type=image,store=true,compression=uncompressed";

/// A base, unpacked for the floor, and a store that knows it.
struct Ground<'w> {
    workspace: &'w Workspace,
    layout: PathBuf,
    root: PathBuf,
    store: PathBuf,
}

impl<'w> Ground<'w> {
    fn new(workspace: &'w Workspace) -> Result<Option<Self>, Failure> {
        let Some(base) = debian_base() else { return Ok(None) };
        let root = workspace.path("debian");
        let layout = base.layout().to_owned();
        let ground = Ground { workspace, layout, store: workspace.path("run-store"), root };
        let context = ground.context("unpack", "FROM base\n")?;
        timed(vec![ground.build(&context, 0, &format!("type=local,dest={}", text(&ground.root)?))])?;
        Ok(Some(ground))
    }

    fn context(&self, name: &str, dockerfile: &str) -> Result<PathBuf, Failure> {
        let context = self.workspace.path(name);
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

    /// A script that runs commands, each over an overlay of its own on top of the ones before, and then `last` with the
    /// topmost upper directory as `$upper`.
    fn floor(&self, commands: &[String], last: &str) -> Result<Command, Failure> {
        let work = self.workspace.path("floor");
        let mut script = format!(
            "set -e; rm -rf {work}; mkdir {work}; cd {work}; lower={}\n",
            text(&self.root)?,
            work = text(&work)?
        );
        for (step, run) in commands.iter().enumerate() {
            script += &format!(
                "mkdir u{step} w{step} m{step}; upper=u{step}\n\
                 mount -t overlay overlay -o lowerdir=$lower,upperdir=u{step},workdir=w{step} m{step}\n\
                 unshare -mpfui --root m{step} sh -c '{run}'\n\
                 umount m{step}; lower=$PWD/u{step}:$lower\n"
            );
        }
        Ok(command("sh", &["-c", &(script + last)]))
    }
}

fn step(number: usize) -> String {
    format!("echo $ROUND {number} > /step{number}; mkdir -p /srv/{number}")
}

/// Ten small steps: all to be run, and none.
pub(crate) fn steps(workspace: &Workspace, report: &mut Report) -> Result<(), Failure> {
    let Some(ground) = Ground::new(workspace)? else { return Ok(()) };
    let steps: Vec<String> = (0..STEPS).map(step).collect();
    let runs: String = steps.iter().map(|step| format!("RUN {step}\n")).collect();
    let context = ground.context("steps", &format!("FROM base\nARG ROUND\n{runs}"))?;
    timed(vec![ground.build(&context, 1, OUTPUT)])?;
    let mut runners = vec![
        Runner::new("floor: ten overlays, ten unshare", |_| Ok(vec![ground.floor(&steps, "")?])),
        Runner::new("shipsmith, all ten run", |round| Ok(vec![ground.build(&context, 100 + round, OUTPUT)])),
        Runner::new("shipsmith, nothing changed", |_| Ok(vec![ground.build(&context, 1, OUTPUT)])),
    ];
    let samples = alternate(&mut runners, workspace.options.rounds * 3)?;
    report.table("Ten small RUN steps on Debian", "floor: ten overlays, ten unshare", &runners, &samples);
    Ok(())
}

/// Many small files made by one step.
pub(crate) fn files(workspace: &Workspace, report: &mut Report) -> Result<(), Failure> {
    let Some(ground) = Ground::new(workspace)? else { return Ok(()) };
    let count = if workspace.options.quick { 10_000 } else { 100_000 };
    let make = format!("mkdir /f; cd /f; seq {count} | split -l 1 -a 5");
    let context = ground.context("files", &format!("FROM base\nARG ROUND\nRUN {make}\n"))?;
    timed(vec![ground.build(&context, 1, OUTPUT)])?;
    let once = [make];
    let mut runners = vec![
        Runner::new("floor: the command, then tar to sha256sum", |_| {
            Ok(vec![ground.floor(&once, "tar -C $upper -cf - . | sha256sum")?])
        }),
        Runner::new("the command alone", |_| Ok(vec![ground.floor(&once, "")?])),
        Runner::new("shipsmith", |round| Ok(vec![ground.build(&context, 100 + round, OUTPUT)])),
    ];
    let samples = alternate(&mut runners, workspace.options.rounds.min(3))?;
    let title = format!("One RUN that makes {count} files, into the store");
    report.table(&title, "floor: the command, then tar to sha256sum", &runners, &samples);
    let peak = peak_memory(vec![ground.build(&context, 99, OUTPUT)])?;
    report.memory(&[(title, peak)]);
    Ok(())
}
