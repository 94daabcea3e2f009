//! What the tests use of the system, and which Debian package brings it.

use crate::process::{command, installed};

/// A program that some test runs as a witness, and the Debian package it is in.
struct Witness {
    program: &'static str,
    package: &'static str,
}

const WITNESSES: [Witness; 23] = [
    witness("apt-get", "apt"),
    witness("buildah", "buildah"),
    witness("busybox", "busybox-static"),
    witness("bzip2", "bzip2"),
    witness("crun", "crun"),
    witness("debootstrap", "debootstrap"),
    witness("docker", "docker.io"),
    witness("docker-registry", "docker-registry"),
    witness("git", "git"),
    witness("gzip", "gzip"),
    witness("htpasswd", "apache2-utils"),
    witness("jq", "jq"),
    witness("newuidmap", "uidmap"),
    witness("podman", "podman"),
    witness("qemu-x86_64-static", "qemu-user-static"),
    witness("runc", "runc"),
    witness("skopeo", "skopeo"),
    witness("ssh-keygen", "openssh-client"),
    witness("tar", "tar"),
    witness("umoci", "umoci"),
    witness("valgrind", "valgrind"),
    witness("xz", "xz-utils"),
    witness("zstd", "zstd"),
];

const fn witness(program: &'static str, package: &'static str) -> Witness {
    Witness { program, package }
}

/// Prints the packages on one line, ready for apt-get.
pub(crate) fn run() -> Result<(), String> {
    println!("{}", WITNESSES.map(|witness| witness.package).join(" "));
    Ok(())
}

/// What is missing here, in words for a person.
pub(crate) fn missing() -> Vec<String> {
    let mut missing: Vec<String> =
        WITNESSES.iter().filter(|w| !installed(w.program)).map(|w| w.program.to_owned()).collect();
    if installed("docker") && !engine_answers() {
        missing.push("a running Docker engine".to_owned());
    }
    missing
}

fn engine_answers() -> bool {
    command("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .output()
        .is_ok_and(|said| said.status.success())
}
