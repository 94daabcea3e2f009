//! The peers: which are installed, and how each builds and pushes an image.

use std::path::Path;
use std::process::Command;

use crate::Failure;
use crate::workspace::{Workspace, command, text};

/// A program that makes images of Dockerfiles, or at least of tars.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    program: &'static str,
    /// What it calls itself.
    pub(crate) version: String,
}

/// Why a program does not take part.
pub(crate) struct Absent {
    pub(crate) program: &'static str,
    pub(crate) reason: String,
}

/// How a program is asked for its version, and whether it can work.
const KNOWN: [(&str, &[&str]); 6] = [
    ("buildah", &["--version"]),
    ("buildctl", &["debug", "workers"]),
    ("crane", &["version"]),
    ("docker", &["version", "--format", "{{.Server.Version}}"]),
    ("kaniko", &["version"]),
    ("skopeo", &["--version"]),
];

/// Who is on the PATH, and who is not.
pub(crate) fn find() -> (Vec<Peer>, Vec<Absent>) {
    let (mut peers, mut absent) = (Vec::new(), Vec::new());
    for (program, probe) in KNOWN {
        match version(program, probe) {
            Ok(_) if program == "skopeo" => {
                absent.push(Absent { program, reason: "copies images, builds none".into() });
            }
            Ok(_) if program == "kaniko" => {
                absent.push(Absent { program, reason: "works only inside its own image".into() });
            }
            Ok(version) => peers.push(Peer { program, version }),
            Err(reason) => absent.push(Absent { program, reason }),
        }
    }
    (peers, absent)
}

fn version(program: &str, probe: &[&str]) -> Result<String, String> {
    let said = Command::new(program).args(probe).output().map_err(|_| "not on the PATH".to_owned())?;
    if !said.status.success() {
        return Err("it or its daemon does not answer".to_owned());
    }
    let said = match program {
        "buildctl" => Command::new(program).arg("--version").output().map_err(|error| error.to_string())?,
        _ => said,
    };
    Ok(String::from_utf8_lossy(&said.stdout).trim().lines().next().unwrap_or_default().to_owned())
}

impl Peer {
    /// Its name in tables.
    pub(crate) fn name(&self) -> &'static str {
        if self.program == "buildctl" { "BuildKit" } else { self.program }
    }

    /// Whether it can leave layers uncompressed when it pushes.
    pub(crate) fn leaves_plain(&self) -> bool {
        matches!(self.program, "buildctl" | "buildah")
    }

    /// Builds the Dockerfile in `context` and pushes it as `name`.
    pub(crate) fn build(
        &self,
        workspace: &Workspace,
        context: &Path,
        name: &str,
        compressed: bool,
    ) -> Result<Command, Failure> {
        let context = text(context)?;
        Ok(match self.program {
            "buildctl" => {
                let encoding = if compressed { "gzip,compression-level=1" } else { "uncompressed" };
                let output = format!("type=image,name={name},push=true,registry.insecure=true,compression={encoding}");
                let (files, file) = (format!("context={context}"), format!("dockerfile={context}"));
                let words = ["build", "--frontend", "dockerfile.v0", "--local", &files, "--local", &file];
                let mut build = command("buildctl", &words);
                build.args(["--output", &output]);
                build
            }
            "docker" => shell(&format!("docker build -q -t {name} {context} && docker push -q {name}")),
            "crane" => {
                let base = workspace.name("base");
                let layer = workspace.path(&format!("{}.tar", name.replace(['/', ':'], "_")));
                let layer = layer.display();
                shell(&format!("tar -C {context} -cf {layer} app && crane append -b {base} -f {layer} -t {name}"))
            }
            _ => {
                let root = workspace.path("buildah");
                let options =
                    format!("--root {root} --runroot {root}-run --storage-driver overlay", root = root.display());
                let plain = if compressed { "--compression-format gzip" } else { "--disable-compression" };
                let build =
                    format!("buildah {options} bud -q --isolation chroot --tls-verify=false -t {name} {context}");
                shell(&format!("{build} && buildah {options} push -q --tls-verify=false {plain} {name}"))
            }
        })
    }
}

fn shell(script: &str) -> Command {
    command("sh", &["-c", script])
}
