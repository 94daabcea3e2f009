//! The release: one static binary, and the CA certificates an image without a system needs.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::elf;
use crate::process::{cargo, command, output, root, run as step};

/// Builds both into `dist/`.
pub(crate) fn run() -> Result<(), String> {
    let dist = root().join("dist");
    fs::create_dir_all(&dist).map_err(|error| format!("cannot create {}: {error}", dist.display()))?;
    let built = build_static("shipsmith", "shipsmith")?;
    let binary = dist.join("shipsmith");
    fs::copy(&built, &binary).map_err(|error| format!("cannot copy {}: {error}", built.display()))?;
    let certificates = dist.join("ca-certificates.crt");
    fs::write(&certificates, pem()).map_err(|error| format!("cannot write {}: {error}", certificates.display()))?;
    println!("{} ({:.1} MB, static)", binary.display(), megabytes(&binary));
    Ok(())
}

fn host() -> Result<String, String> {
    let about = output(command("rustc").arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc -vV names no host".to_owned())
}

/// Builds a package's program for an explicit target, so that the flags reach it and not build scripts and procedural macros,
/// which cannot be static.
pub(crate) fn build_static(package: &str, program: &str) -> Result<PathBuf, String> {
    let host = host()?;
    let variable = format!("CARGO_TARGET_{}_RUSTFLAGS", host.to_uppercase().replace('-', "_"));
    step(
        cargo()
            .args(["build", "--release", "--locked", "--package", package, "--bin", program, "--target", &host])
            .env_remove("RUSTFLAGS")
            .env(variable, "-C target-feature=+crt-static"),
    )?;
    let binary = target_directory().join(host).join("release").join(program);
    let bytes = fs::read(&binary).map_err(|error| format!("cannot read {}: {error}", binary.display()))?;
    match elf::interpreter(&bytes) {
        Ok(false) => Ok(binary),
        Ok(true) => Err(format!("{} is not static: it asks for an interpreter", binary.display())),
        Err(problem) => Err(format!("{}: {problem}", binary.display())),
    }
}

pub(crate) fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// Mozilla's roots, as `ca-certificates.crt` has them.
fn pem() -> String {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|certificate| armour(certificate)).collect()
}

/// RFC 7468: base64 in lines of 64 between its two marks.
fn armour(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for (place, letter) in text.chars().enumerate() {
        if place > 0 && place % 64 == 0 {
            pem.push('\n');
        }
        pem.push(letter);
    }
    pem.push_str("\n-----END CERTIFICATE-----\n");
    pem
}

#[expect(clippy::cast_precision_loss, reason = "one decimal of a size, for people")]
fn megabytes(file: &Path) -> f64 {
    fs::metadata(file).map_or(0.0, |meta| meta.len() as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_wrapped_at_64_letters() {
        let pem = armour(&[0; 60]);
        let lines: Vec<usize> = pem.lines().map(str::len).collect();
        assert_eq!(lines, [27, 64, 16, 25]);
    }

    #[test]
    fn there_are_as_many_certificates_as_roots() {
        assert_eq!(pem().matches("BEGIN CERTIFICATE").count(), webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
    }
}
