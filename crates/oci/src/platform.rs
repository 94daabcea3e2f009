//! Platforms, normalised as containerd normalises them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An operating system and a processor architecture, for which an image is made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// As Go's GOARCH names it.
    pub architecture: String,
    /// As Go's GOOS names it.
    pub os: String,
    /// Version of the operating system (Windows).
    #[serde(rename = "os.version", default, skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// Features of the operating system (Windows).
    #[serde(rename = "os.features", default, skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// Variant of the architecture, such as `v7`; empty for the usual one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// Why a text names no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid platform {text:?}: {reason}")]
pub struct PlatformError {
    text: String,
    reason: &'static str,
}

const SYSTEMS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "illumos",
    "ios",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
];
const ARCHITECTURES: &[&str] = &[
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64",
    "s390x", "wasm",
];

impl Platform {
    /// The platform `os/architecture[/variant]`, normalised.
    #[must_use]
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        let os = os.to_ascii_lowercase();
        let os = if os == "macos" { "darwin".to_owned() } else { os };
        let (architecture, variant) = normalize(&architecture.to_ascii_lowercase(), &variant.to_ascii_lowercase());
        Self { architecture, os, os_version: String::new(), os_features: Vec::new(), variant }
    }

    /// The platform this program was built for.
    #[must_use]
    pub fn host() -> Self {
        Self::new("linux", std::env::consts::ARCH, "")
    }

    /// This platform and those whose images it can also use, best first (containerd's `platforms.Only`).
    #[must_use]
    pub fn candidates(&self) -> Vec<Self> {
        let with = |architecture: &str, variant: &str| Self {
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
            ..self.clone()
        };
        let arm = |top: u8| (5..=top).rev().map(|v| with("arm", &format!("v{v}"))).collect::<Vec<_>>();
        let mut all = vec![self.clone()];
        match (self.architecture.as_str(), self.variant.as_str()) {
            ("amd64", variant) => all.extend(amd64_below(variant).iter().map(|v| with("amd64", v))),
            ("arm64", _) => all.extend([with("arm64", ""), with("arm", "v8")].into_iter().chain(arm(7))),
            ("arm", variant) => {
                let level = variant.trim_start_matches('v').parse().unwrap_or(7u8).clamp(5, 8);
                all.extend(arm(level.saturating_sub(1)));
            }
            _ => {}
        }
        all
    }

    /// Whether an image made for `self` is exactly for `wanted`, spelling apart.
    #[must_use]
    pub fn serves(&self, wanted: &Self) -> bool {
        let ours = Self::new(&self.os, &self.architecture, &self.variant);
        let theirs = Self::new(&wanted.os, &wanted.architecture, &wanted.variant);
        ours == theirs && (wanted.os_version.is_empty() || self.os_version == wanted.os_version)
    }
}

fn amd64_below(variant: &str) -> &'static [&'static str] {
    match variant {
        "v4" => &["v3", "v2", ""],
        "v3" => &["v2", ""],
        "v2" => &[""],
        _ => &[],
    }
}

/// containerd `platforms/database.go`, `normalizeArch`.
fn normalize(architecture: &str, variant: &str) -> (String, String) {
    let (architecture, variant) = match (architecture, variant) {
        ("i386" | "x86", _) | ("386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", other) => ("amd64", other),
        ("aarch64" | "arm64", "8" | "v8") => ("arm64", ""),
        ("aarch64", other) => ("arm64", other),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        ("powerpc64le", other) => ("ppc64le", other),
        other => other,
    };
    (architecture.to_owned(), variant.to_owned())
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    /// Reads `os/arch[/variant]`, `os` or `arch` alone, or `local`.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let fail = |reason| PlatformError { text: text.to_owned(), reason };
        let parts: Vec<&str> = text.split('/').collect();
        let plain = |part: &&str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        if !parts.iter().all(plain) {
            return Err(fail("expected os/architecture[/variant]"));
        }
        match parts[..] {
            ["local"] => Ok(Self::host()),
            [one] => Self::from_single(one).ok_or_else(|| fail("neither an operating system nor an architecture")),
            [os, architecture] => Ok(Self::new(os, architecture, "")),
            [os, architecture, variant] => Ok(Self::new(os, architecture, variant)),
            _ => Err(fail("expected os/architecture[/variant]")),
        }
        .and_then(|platform| platform.checked().ok_or_else(|| fail("unknown operating system or architecture")))
    }
}

impl Platform {
    fn from_single(word: &str) -> Option<Self> {
        let host = Self::host();
        let as_architecture = Self::new(&host.os, word, "");
        if ARCHITECTURES.contains(&as_architecture.architecture.as_str()) {
            return Some(as_architecture);
        }
        let as_os = Self::new(word, &host.architecture, &host.variant);
        SYSTEMS.contains(&as_os.os.as_str()).then_some(as_os)
    }

    fn checked(self) -> Option<Self> {
        let known = SYSTEMS.contains(&self.os.as_str()) && ARCHITECTURES.contains(&self.architecture.as_str());
        known.then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_is_normalised() {
        for (text, expected) in [
            ("linux/x86_64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/armel", "linux/arm/v6"),
            ("Linux/AMD64", "linux/amd64"),
            ("s390x", "linux/s390x"),
            ("local", &Platform::host().to_string()),
        ] {
            assert_eq!(text.parse::<Platform>().map(|p| p.to_string()).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "linux/", "linux/amd64/v1/x", "linux/amd65", "solarix/amd64", "a b", "linux,amd64"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }
}
