//! The project of `project/`, copied, with the bases that its Dockerfiles name.

use std::fs;
use std::path::Path;

use testkit::environment::Environment;

use crate::support::environment;
use crate::support::remote::Remote;

pub(crate) const BOTH: &str = "--architectures=linux/amd64,linux/arm64";

pub(crate) struct Ground {
    pub(crate) remote: Remote,
    pub(crate) environment: Environment,
}

impl Ground {
    /// `None` means: skip this test; the reason is already printed.
    pub(crate) fn new() -> Option<Self> {
        let remote = Remote::start()?;
        let environment = environment();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plan/project"), &environment.work());
        for base in ["base", "small", "vm_debian_12"] {
            environment
                .write(&format!("bases/{base}/Dockerfile"), "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /etc/\n");
            for arch in ["amd64", "arm64"] {
                environment.write(&format!("bases/{base}/{arch}/base"), format!("{base} for {arch}\n"));
            }
            let (name, directory) = (remote.name(&format!("bases/{base}:v7")), format!("bases/{base}"));
            environment.ok(["build", "--push", "--platform=linux/amd64,linux/arm64", "-t", &name, &directory]);
        }
        Some(Self { remote, environment })
    }

    /// `shipsmith bake` of the plan, with the bases' registry and these arguments.
    pub(crate) fn bake<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let registry = format!("--image-base-registry={}", self.remote.name("bases"));
        let fixed = ["bake", "-f", "tools/docker.yaml", &registry].map(str::to_owned);
        fixed.into_iter().chain(arguments.into_iter().map(str::to_owned)).collect()
    }

    /// `--hub` of this registry.
    pub(crate) fn hub(&self, path: &str) -> String {
        format!("--hub={}", self.remote.name(path))
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the directory is ours");
    for entry in fs::read_dir(from).expect("the project is there") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("readable").is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), &target).expect("the directory is ours")),
        }
    }
}
