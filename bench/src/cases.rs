//! What is measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::contender;
use crate::fixture::change;
use crate::measure::{Runner, Sample, alternate, peak_memory, ratio, timed, typical};
use crate::report::Report;
use crate::workspace::{Image, Workspace, command, text};
use crate::{Failure, codecs, growth, many, run};

/// One thing to measure.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Workspace, &mut Report) -> Result<(), Failure>,
}

pub(crate) fn all() -> Vec<Case> {
    vec![
        Case { name: "six", run: six },
        Case { name: "six-unchanged", run: six_unchanged },
        Case { name: "tree", run: tree },
        Case { name: "tree-unchanged", run: tree_unchanged },
        Case { name: "start", run: start },
        Case { name: "memory", run: memory },
        Case { name: "run-steps", run: run::steps },
        Case { name: "run-files", run: run::files },
        Case { name: "many", run: many::run },
        Case { name: "growth", run: growth::run },
        Case { name: "codecs", run: codecs::run },
    ]
}

const PLAIN: &str = "type=registry,compression=uncompressed";
const GZIP: &str = "type=registry,compression=gzip";
const FAST: &str = "type=registry,compression=gzip-fast";
const ZSTD: &str = "type=registry,compression=zstd";
/// Encodings and their names in tables.
const ENCODINGS: [(&str, &str); 4] = [("uncompressed", PLAIN), ("gzip", GZIP), ("gzip-fast", FAST), ("zstd", ZSTD)];

fn app(context: &Path) -> PathBuf {
    context.join("app")
}

/// All six images at once, by one command. Each output has names of its own: what another pushed there is a change.
fn six_builds(workspace: &Workspace, store: &Path, output: &str) -> Result<Vec<Command>, Failure> {
    let own = output.replace(['=', ','], "-");
    let image = |(number, context): (usize, &PathBuf)| Image {
        name: format!("image{number}-{own}"),
        context: context.clone(),
        dockerfile: None,
        platforms: Vec::new(),
    };
    let images: Vec<Image> = workspace.images.iter().enumerate().map(image).collect();
    let file = format!("six-{own}.json");
    Ok(vec![workspace.bake(&file, store, &images, output)?])
}

fn change_all(workspace: &Workspace, round: u64) -> Result<(), Failure> {
    Ok(workspace.images.iter().try_for_each(|context| change(&app(context), round))?)
}

fn floor(workspace: &Workspace) -> Result<Command, Failure> {
    let mut floor = Command::new(std::env::current_exe()?);
    floor.args(["floor", workspace.registry.address(), "bench/floor"]);
    floor.args(workspace.images.iter().map(|context| app(context)));
    Ok(floor)
}

fn six(workspace: &Workspace, report: &mut Report) -> Result<(), Failure> {
    let store = workspace.path("store");
    let mut stamp = 0;
    let next = || {
        stamp += 1;
        stamp
    };
    let stamps = std::cell::RefCell::new(next);
    let renew = || -> Result<(), Failure> {
        workspace.reset(&store)?;
        change_all(workspace, (stamps.borrow_mut())())
    };
    let mut runners = vec![Runner::new("floor", |_| {
        renew()?;
        Ok(vec![floor(workspace)?])
    })];
    for (name, output) in ENCODINGS {
        runners.push(
            Runner::new(format!("shipsmith {name}"), move |_| six_builds(workspace, &workspace.path("store"), output))
                .after(&renew),
        );
    }
    let (peers, absent) = contender::find();
    report.peers(&peers, &absent);
    for peer in peers {
        for compressed in [false, true].into_iter().filter(|compressed| *compressed || peer.leaves_plain()) {
            let name = format!("{} {}", peer.name(), if compressed { "gzip" } else { "uncompressed" });
            let peer = peer.clone();
            runners.push(
                Runner::peer(name, move |_| {
                    let builds = workspace.images.iter().enumerate();
                    builds
                        .map(|(n, context)| {
                            peer.build(workspace, context, &workspace.name(&format!("image{n}")), compressed)
                        })
                        .collect()
                })
                .after(&renew),
            );
        }
    }
    let samples = alternate(&mut runners, workspace.options.rounds)?;
    report.table("Six images of 20 to 80 MB, all changed, built and pushed at once", "floor", &runners, &samples);
    for ((name, _), most) in ENCODINGS.into_iter().zip([1.05, 1.8, 1.3, 1.3]) {
        let own = format!("shipsmith {name}");
        report.goal(format!("six changed images, {name}, of floor"), most, ratio(&samples, &own, "floor"));
    }
    Ok(())
}

fn six_unchanged(workspace: &Workspace, report: &mut Report) -> Result<(), Failure> {
    let mut runners = Vec::new();
    for (name, output) in ENCODINGS {
        let store = workspace.path(&format!("store-{name}"));
        workspace.reset(&store)?;
        settle();
        timed(six_builds(workspace, &store, output)?)?;
        runners.push((name, output, store));
    }
    // The registry was emptied for each: send all once more, so that everything is there.
    for (_, output, store) in &runners {
        timed(six_builds(workspace, store, output)?)?;
    }
    let mut turns = Vec::new();
    for (name, output, store) in runners {
        turns.push(Runner::new(format!("shipsmith {name}"), move |_| six_builds(workspace, &store, output)));
    }
    for peer in contender::find().0 {
        let name = format!("{} gzip", peer.name());
        let builds = move || -> Result<Vec<Command>, Failure> {
            let contexts = workspace.images.iter().enumerate();
            contexts
                .map(|(n, context)| peer.build(workspace, context, &workspace.name(&format!("image{n}")), true))
                .collect()
        };
        timed(builds()?)?;
        turns.push(Runner::peer(name, move |_| builds()));
    }
    let samples = alternate(&mut turns, workspace.options.rounds * 3)?;
    report.table("The same six images, nothing changed", "shipsmith uncompressed", &turns, &samples);
    let of = |pick: fn(&Sample) -> f64| typical(&samples, "shipsmith uncompressed", pick);
    report.goal("six unchanged images, ms", 40.0, 1e3 * of(|sample| sample.wall));
    report.goal("six unchanged images, ms of processor time", 10.0, 1e3 * of(|sample| sample.cpu));
    Ok(())
}

/// Files changed a moment ago are not believed to be at rest.
fn settle() {
    std::thread::sleep(std::time::Duration::from_millis(300));
}

fn tar_and_hash(workspace: &Workspace) -> Result<Command, Failure> {
    let script = format!("tar -C {} -cf - . | sha256sum", text(&workspace.tree.join("tree"))?);
    Ok(command("sh", &["-c", &script]))
}

const TO_STORE: [(&str, &str); 6] = [
    ("store, uncompressed", "type=image,store=true,compression=uncompressed"),
    ("push, uncompressed", PLAIN),
    ("store, gzip", "type=image,store=true,compression=gzip"),
    ("push, gzip", GZIP),
    ("store, zstd", "type=image,store=true,compression=zstd"),
    ("push, zstd", ZSTD),
];

fn tree_build(workspace: &Workspace, store: &Path, output: &str) -> Command {
    workspace.build(store, &workspace.tree, &workspace.name("toolchain"), output)
}

fn changed_file(workspace: &Workspace) -> PathBuf {
    workspace.tree.join("tree/lib0/module1/file40")
}

fn tree(workspace: &Workspace, report: &mut Report) -> Result<(), Failure> {
    let mut runners = vec![Runner::new("tar to sha256sum", |_| Ok(vec![tar_and_hash(workspace)?]))];
    for (number, (name, output)) in TO_STORE.into_iter().enumerate() {
        let store = workspace.path(&format!("tree-store-{number}"));
        workspace.reset(&store)?;
        settle();
        timed(vec![tree_build(workspace, &store, output)])?;
        runners.push(Runner::new(format!("shipsmith {name}"), move |round| {
            change(&changed_file(workspace), 1000 * number as u64 + round)?;
            timed(vec![Command::new("sync")])?;
            Ok(vec![tree_build(workspace, &store, output)])
        }));
    }
    for peer in contender::find().0.into_iter().filter(|peer| peer.name() != "crane") {
        let name = format!("{} push", peer.name());
        runners.push(Runner::peer(name, move |round| {
            change(&changed_file(workspace), 100_000 + round)?;
            timed(vec![Command::new("sync")])?;
            let compressed = !peer.leaves_plain();
            Ok(vec![peer.build(workspace, &workspace.tree, &workspace.name("toolchain-peer"), compressed)?])
        }));
    }
    let samples = alternate(&mut runners, workspace.options.rounds)?;
    report.table("A tree of 12,000 files (253 MB), one small file changed", "tar to sha256sum", &runners, &samples);
    for (name, _) in TO_STORE {
        let most = if name.starts_with("store") { 1.2 } else { 1.6 };
        let own = ratio(&samples, &format!("shipsmith {name}"), "tar to sha256sum");
        report.goal(format!("one file of the tree changed, {name}, of tar to sha256sum"), most, own);
    }
    for number in 0..TO_STORE.len() {
        fs::remove_dir_all(workspace.path(&format!("tree-store-{number}")))?;
    }
    Ok(())
}

fn tree_unchanged(workspace: &Workspace, report: &mut Report) -> Result<(), Failure> {
    let mut runners = Vec::new();
    settle();
    let store = workspace.path("tree-unchanged");
    workspace.reset(&store)?;
    for (name, output) in TO_STORE {
        timed(vec![tree_build(workspace, &store, output)])?;
        let store = store.clone();
        runners
            .push(Runner::new(format!("shipsmith {name}"), move |_| Ok(vec![tree_build(workspace, &store, output)])));
    }
    let samples = alternate(&mut runners, workspace.options.rounds * 3)?;
    report.table("The same tree, nothing changed", "shipsmith store, uncompressed", &runners, &samples);
    let wall = typical(&samples, "shipsmith store, uncompressed", |sample| sample.wall);
    report.goal("the tree unchanged, ms", 40.0, 1e3 * wall);
    Ok(())
}

const TEN_LINES: &str = "FROM scratch AS base\nARG NAME=ten\nENV NAME=$NAME\nLABEL name=$NAME\nWORKDIR /srv\nCOPY Dockerfile .\n\
                         FROM base\nEXPOSE 80\nUSER 1000\nCMD [\"/srv/app\"]\n";

fn start(workspace: &Workspace, report: &mut Report) -> Result<(), Failure> {
    let context = workspace.path("ten");
    fs::create_dir_all(&context)?;
    fs::write(context.join("Dockerfile"), TEN_LINES)?;
    settle();
    let store = workspace.path("ten-store");
    let build = || workspace.build(&store, &context, "ten", "type=image,store=true");
    timed(vec![build()])?;
    let mut runners = vec![
        Runner::new("true", |_| Ok(vec![Command::new("true")])),
        Runner::new("shipsmith --version", |_| {
            let mut version = Command::new(&workspace.options.binary);
            version.arg("--version");
            Ok(vec![version])
        }),
        Runner::new("shipsmith build, ten lines", |_| Ok(vec![build()])),
    ];
    let samples = alternate(&mut runners, if workspace.options.quick { 10 } else { 41 })?;
    report.table("Start-up", "true", &runners, &samples);
    let wall = |name| 1e3 * typical(&samples, name, |sample| sample.wall);
    report.goal("shipsmith --version, ms", 5.0, wall("shipsmith --version"));
    report.goal("a build of ten lines, ms", 15.0, wall("shipsmith build, ten lines"));
    Ok(())
}

fn memory(workspace: &Workspace, report: &mut Report) -> Result<(), Failure> {
    let store = workspace.path("memory-store");
    let mut rows = Vec::new();
    for (name, output) in ENCODINGS {
        workspace.reset(&store)?;
        change_all(workspace, 900)?;
        rows.push((format!("six images at once, {name}, push"), peak_memory(six_builds(workspace, &store, output)?)?));
        workspace.reset(&store)?;
        rows.push((format!("the tree, {name}, push"), peak_memory(vec![tree_build(workspace, &store, output)])?));
    }
    let context = workspace.path("huge");
    fs::create_dir_all(&context)?;
    let size = if workspace.options.quick { 500 << 20 } else { 5 << 30 };
    fs::File::create(context.join("huge"))?.set_len(size)?;
    fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY huge /\n")?;
    for (name, output) in ENCODINGS {
        workspace.reset(&store)?;
        let build = workspace.build(&store, &context, &workspace.name("huge"), output);
        rows.push((format!("one file of {:.1} GB, {name}, push", size as f64 / 1e9), peak_memory(vec![build])?));
    }
    workspace.reset(&store)?;
    fs::remove_file(context.join("huge"))?;
    report.memory(&rows);
    let most = rows.iter().map(|(_, bytes)| *bytes).max().unwrap_or_default();
    report.goal("peak memory, MB", 64.0, most as f64 / 1e6);
    Ok(())
}
