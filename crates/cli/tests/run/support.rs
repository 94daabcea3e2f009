//! A place where commands are run, and a look at what they left behind.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use store::Store;
use testkit::canonical::{CanonicalImage, read_images};
use testkit::environment::{Ended, Environment};
use testkit::fixtures::{Fixture, busybox_base};
use testkit::tools::as_root;

/// Who may read it is outside of the sandbox.
pub(crate) const CANARY: &str = "the-canary-of-the-host";

/// A program in an environment of its own, a base with a shell, and a directory that nothing may touch.
pub(crate) struct Ground {
    environment: Environment,
    base: Fixture,
    canary: PathBuf,
    before: Vec<String>,
}

impl Ground {
    /// `None` where the tests cannot be run, with a printed word why.
    pub(crate) fn new() -> Option<Self> {
        let base = busybox_base()?;
        as_root().then(|| Self::over(base, &[]))
    }

    /// With another base, and more variables for the program.
    pub(crate) fn over(base: Fixture, variables: &[(&str, &str)]) -> Self {
        let mut environment = Environment::new(env!("CARGO_BIN_EXE_shipsmith"));
        for (name, value) in variables {
            environment = environment.with(name, value);
        }
        let file = environment.write("canary/file", CANARY);
        let canary = file.parent().expect("it is in a directory").to_owned();
        let before = listing(&canary);
        Self { environment, base, canary, before }
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The directory that nothing may touch.
    pub(crate) fn canary(&self) -> &Path {
        &self.canary
    }

    /// The arguments of a build of `dockerfile`, whose base is called `base`, with more `flags`.
    pub(crate) fn arguments(&self, dockerfile: &str, flags: &[&str]) -> Vec<String> {
        let number = fs::read_dir(self.environment.work()).expect("ours").count();
        let context = format!("context{number}");
        self.environment.write(&format!("{context}/Dockerfile"), dockerfile);
        let base = format!("--build-context=base=oci-layout://{}:latest", self.base.layout().display());
        let fixed = ["build", "--progress=plain", &base].map(str::to_owned);
        fixed.into_iter().chain(flags.iter().map(|&flag| flag.to_owned())).chain([context]).collect()
    }

    /// Builds to the end, whichever way it ends.
    pub(crate) fn build(&self, dockerfile: &str, flags: &[&str]) -> Ended {
        self.environment.run(self.arguments(dockerfile, flags))
    }

    /// What a build that succeeds has said.
    pub(crate) fn builds(&self, dockerfile: &str, flags: &[&str]) -> String {
        let ended = self.build(dockerfile, flags);
        assert_eq!(ended.code, Some(0), "{dockerfile}\n{}", ended.stderr);
        ended.stderr
    }

    /// What a build that fails has said.
    pub(crate) fn fails(&self, dockerfile: &str, flags: &[&str]) -> String {
        let ended = self.build(dockerfile, flags);
        assert_eq!(ended.code, Some(1), "{dockerfile}\n{}", ended.stderr);
        ended.stderr
    }

    /// The digest of what a build makes.
    pub(crate) fn digest(&self, dockerfile: &str, flags: &[&str]) -> String {
        let file = self.environment.path("meta.json");
        let meta = format!("--metadata-file={}", file.display());
        self.builds(dockerfile, &[flags, &[&meta]].concat());
        let meta: Value = serde_json::from_str(&self.environment.read("meta.json")).expect("JSON");
        meta["containerimage.digest"].as_str().expect("a digest").to_owned()
    }

    /// The image that a build makes.
    pub(crate) fn image(&self, dockerfile: &str, flags: &[&str]) -> CanonicalImage {
        let layout = self.environment.path("layout.tar");
        let output = format!("--output=type=oci,dest={}", layout.display());
        self.builds(dockerfile, &[flags, &[&output]].concat());
        read_images(&layout).expect("a layout").into_values().next().expect("an image")
    }

    /// What `script` prints, run by the base's shell in a step with these options.
    pub(crate) fn prints(&self, options: &str, script: &str, flags: &[&str]) -> String {
        self.prints_after("", options, script, flags)
    }

    /// The same, with instructions before the step.
    pub(crate) fn prints_after(&self, before: &str, options: &str, script: &str, flags: &[&str]) -> String {
        let output = self.environment.path("output");
        let flag = format!("--output=type=local,dest={}", output.display());
        let step = format!("RUN {options} <<\"END\"\nexec > /output 2>&1\n{script}\ntrue\nEND\n");
        self.builds(&format!("FROM base\n{before}{step}"), &[flags, &[&flag, "--no-cache"]].concat());
        let text = fs::read(output.join("output")).expect("the step wrote it");
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Nothing stays: no mount, no process, no scratch directory, and the canary as it was.
    pub(crate) fn is_clean(&self) {
        let store = self.environment.store();
        let holders = holders(&store.display().to_string());
        assert!(holders.is_empty(), "the store is still mounted in {holders:?}");
        let scratch = store.join("shipsmith/scratch");
        let left: Vec<_> = fs::read_dir(scratch).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        assert!(left.is_empty(), "directories are left: {left:?}");
        assert_eq!(listing(&self.canary), self.before, "the host's files were touched");
    }

    /// The store is whole, and the next build works.
    pub(crate) fn goes_on(&self) {
        let damage = Store::open(self.environment.store()).and_then(|store| store.verify()).expect("a store");
        assert!(damage.is_empty(), "{damage:?}");
        self.builds("FROM base\nRUN echo again > /again\n", &["--no-cache"]);
        self.is_clean();
    }
}

/// Processes that have something below `path` mounted.
fn holders(path: &str) -> Vec<String> {
    let holds = |process: &Path| fs::read_to_string(process.join("mountinfo")).is_ok_and(|text| text.contains(path));
    let name = |process: &Path| {
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        format!("{}: {}", process.display(), String::from_utf8_lossy(&line).replace('\0', " "))
    };
    processes().into_iter().filter(|process| holds(process)).map(|process| name(&process)).collect()
}

/// The directories of all processes.
pub(crate) fn processes() -> Vec<PathBuf> {
    let all = fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path());
    all.filter(|path| path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.parse::<u32>().is_ok()))
        .collect()
}

/// Processes whose command line has `text`.
pub(crate) fn running(text: &str) -> usize {
    let says = |process: &PathBuf| {
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ").contains(text)
    };
    processes().iter().filter(|process| says(process)).count()
}

/// Names, owners, modes, sizes and times of all that is in a directory.
fn listing(dir: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(dir).expect("it is there").flatten() {
        let meta = entry.metadata().expect("it is there");
        let times = (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
        lines.push(format!("{:?} {:o} {} {} {times:?}", entry.path(), meta.mode(), meta.uid(), meta.len()));
    }
    let meta = dir.metadata().expect("it is there");
    lines.push(format!("{:?} {:o} {:?}", dir, meta.mode(), (meta.mtime(), meta.mtime_nsec())));
    lines.sort();
    lines
}
