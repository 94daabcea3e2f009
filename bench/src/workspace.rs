//! The place where it all happens: fixtures, a registry with a base image in it, and a store that knows the base.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::Failure;
use crate::aside::Aside;
use crate::fixture;
use crate::measure;
use crate::options::Options;
use crate::registry::{Registry, State};

/// A toolchain's tree, as issue 4 measured one.
const TREE_FILES: u64 = 12_000;
const TREE_BYTES: u64 = 253_000_000;
const BASE_BYTES: u64 = 200_000_000;

pub(crate) struct Workspace {
    pub(crate) options: OptionsRef,
    pub(crate) registry: Registry,
    fresh: State,
    aside: Aside,
    dir: TempDir,
    /// The contexts of six images with one executable each.
    pub(crate) images: Vec<PathBuf>,
    /// The context with the toolchain's tree in `tree/`.
    pub(crate) tree: PathBuf,
}

/// What cases ask of the options.
pub(crate) struct OptionsRef {
    pub(crate) binary: PathBuf,
    pub(crate) rounds: usize,
    pub(crate) quick: bool,
}

impl Workspace {
    pub(crate) fn new(options: &Options) -> Result<Workspace, Failure> {
        let dir = tempfile::Builder::new().prefix("shipsmith-bench-").tempdir_in(&options.work)?;
        let registry = Registry::start(dir.path())?;
        eprintln!("making fixtures in {}", dir.path().display());
        let base = format!("{}/bench/base:1", registry.address());
        let images = fixture::images(dir.path(), options.scaled(1_000_000, 100_000), &base)?;
        let tree = dir.path().join("toolchain");
        fixture::tree(
            &tree.join("tree"),
            options.scaled(TREE_FILES, 1_200),
            options.scaled(TREE_BYTES, 25_300_000),
            7,
        )?;
        fs::write(tree.join("Dockerfile"), "FROM scratch\nCOPY tree /opt/toolchain\n")?;
        // What a linker wrote lies in the page cache page by page, and what was installed does not.
        let binary = dir.path().join("shipsmith");
        fs::copy(&options.binary, &binary)?;
        let chosen = OptionsRef { binary, rounds: options.rounds, quick: options.quick };
        let (fresh, aside) = (registry.state()?, Aside::new(dir.path().join("aside"))?);
        let mut workspace = Workspace { options: chosen, registry, fresh, aside, dir, images, tree };
        workspace.push_base(options, &base)?;
        workspace.fresh = workspace.registry.state()?;
        Ok(workspace)
    }

    /// A base of an operating system's size, which the primed store has looked into once, as it does for every base.
    fn push_base(&self, options: &Options, base: &str) -> Result<(), Failure> {
        let context = self.dir.path().join("base");
        fixture::tree(&context.join("tree"), options.scaled(4_000, 400), options.scaled(BASE_BYTES, 20_000_000), 9)?;
        fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY tree /usr/local\n")?;
        let scratch = self.dir.path().join("scratch");
        measure::timed(vec![self.build(&scratch, &context, base, "type=registry,compression=gzip")])?;
        fs::remove_dir_all(&scratch)?;
        let probe = self.dir.path().join("probe");
        fs::create_dir_all(&probe)?;
        fs::write(probe.join("Dockerfile"), format!("FROM {base}\nCOPY Dockerfile /usr/local/bin/\n"))?;
        measure::timed(vec![self.build(&self.primed(), &probe, &self.name("probe"), "type=image,store=true")]).map(drop)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn primed(&self) -> PathBuf {
        self.path("primed")
    }

    /// A reference in the registry.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}/bench/{name}:1", self.registry.address())
    }

    /// Makes `store` what it is before the first build of these images, and empties the registry but for the base.
    pub(crate) fn reset(&self, store: &Path) -> Result<(), Failure> {
        self.registry.restore(&self.fresh, &self.aside)?;
        self.aside.take(store)?;
        measure::timed(vec![command("cp", &["-a", text(&self.primed())?, text(store)?])])?;
        // What earlier runs wrote is not to be written back during the next.
        measure::timed(vec![Command::new("sync")]).map(drop)
    }

    /// Our own build of `context` to `output`, under `name`.
    pub(crate) fn build(&self, store: &Path, context: &Path, name: &str, output: &str) -> Command {
        let mut command = Command::new(&self.options.binary);
        command
            .arg("build")
            .arg("--store")
            .arg(store)
            .args(["--quiet", "--tag", name, "--output", output])
            .arg(context);
        command
    }
}

/// One of several images that are built at once.
pub(crate) struct Image {
    /// What it is called; also its target's name.
    pub(crate) name: String,
    pub(crate) context: PathBuf,
    /// The Dockerfile's text, where the context has none.
    pub(crate) dockerfile: Option<String>,
    pub(crate) platforms: Vec<String>,
}

impl Workspace {
    /// Our own build of several images to `output` each, by a bake file that is called `file`.
    pub(crate) fn bake(&self, file: &str, store: &Path, images: &[Image], output: &str) -> Result<Command, Failure> {
        let target = |image: &Image| {
            let mut target = json!({ "context": image.context, "tags": [self.name(&image.name)], "output": [output] });
            if let Some(text) = &image.dockerfile {
                target["dockerfile-inline"] = text.as_str().into();
            }
            if !image.platforms.is_empty() {
                target["platforms"] = image.platforms.clone().into();
            }
            (image.name.clone(), target)
        };
        let names: Vec<&String> = images.iter().map(|image| &image.name).collect();
        let targets: Map<String, Value> = images.iter().map(target).collect();
        let path = self.path(file);
        fs::write(&path, json!({ "group": { "default": { "targets": names } }, "target": targets }).to_string())?;
        let mut command = Command::new(&self.options.binary);
        command.arg("bake").arg("--store").arg(store).args(["--progress", "none", "--file"]).arg(path);
        Ok(command)
    }
}

/// A program with arguments.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

pub(crate) fn text(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| "a path is not UTF-8".into())
}
