//! Programs of another architecture: whether this kernel can run them, through binfmt_misc.
//!
//! <https://docs.kernel.org/admin-guide/binfmt-misc.html>

use std::fs;
use std::path::Path;

use oci::Platform;

use crate::Error;

/// Where the kernel lists its interpreters, once somebody mounted it.
const REGISTERED: &str = "/proc/sys/fs/binfmt_misc";

/// Refuses a platform whose programs this machine cannot run.
pub(crate) fn check(platform: &Platform) -> Result<(), Error> {
    let host = Platform::host();
    if platform.os != host.os {
        return Err(unsupported(platform, "this machine runs Linux programs only".into()));
    }
    if native(&host.architecture, &platform.architecture) || registered(Path::new(REGISTERED), platform) {
        return Ok(());
    }
    let hint = "register an emulator for it with binfmt_misc (Debian: apt-get install qemu-user-static; elsewhere: \
                mount binfmt_misc and register qemu with the F flag), or build this platform on a machine of its own";
    Err(unsupported(platform, hint.into()))
}

fn unsupported(platform: &Platform, hint: String) -> Error {
    Error::Unsupported { what: format!("running programs for {platform} on this {} machine", Platform::host()), hint }
}

/// What a processor runs without help.
fn native(host: &str, wanted: &str) -> bool {
    host == wanted || matches!((host, wanted), ("amd64", "386") | ("arm64", "arm"))
}

/// Whether an enabled interpreter takes the platform's programs. Without the F flag the kernel looks for it inside of the
/// image, where it is not.
fn registered(dir: &Path, platform: &Platform) -> bool {
    let Some(header) = Header::of(&platform.architecture) else { return false };
    let Ok(entries) = fs::read_dir(dir) else { return false };
    entries.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok()).any(|text| takes(&text, &header))
}

/// Whether a registration, as the kernel shows it, takes programs with this header.
fn takes(text: &str, header: &Header) -> bool {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let enabled = text.lines().next() == Some("enabled");
    let fixed = field("flags:").is_some_and(|flags| flags.contains('F'));
    let magic = field("magic").and_then(bytes).unwrap_or_default();
    let mask = field("mask").and_then(bytes).unwrap_or_else(|| vec![0xff; magic.len()]);
    let offset: usize = field("offset").and_then(|text| text.parse().ok()).unwrap_or_default();
    let there = header.0.iter().skip(offset);
    let equal = there.zip(&magic).zip(&mask).all(|((byte, magic), mask)| byte & mask == magic & mask);
    enabled && fixed && !magic.is_empty() && offset + magic.len() <= header.0.len() && equal
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// The first bytes of an executable: ELF identification, type and machine (System V ABI, chapter 4).
struct Header([u8; 20]);

impl Header {
    fn of(architecture: &str) -> Option<Self> {
        let (class, order, machine): (u8, u8, u16) = match architecture {
            "386" => (1, 1, 3),
            "amd64" => (2, 1, 62),
            "arm" => (1, 1, 40),
            "arm64" => (2, 1, 183),
            "loong64" => (2, 1, 258),
            "mips" => (1, 2, 8),
            "mipsle" => (1, 1, 8),
            "mips64" => (2, 2, 8),
            "mips64le" => (2, 1, 8),
            "ppc64" => (2, 2, 21),
            "ppc64le" => (2, 1, 21),
            "riscv64" => (2, 1, 243),
            "s390x" => (2, 2, 22),
            _ => return None,
        };
        let half = |value: u16| if order == 1 { value.to_le_bytes() } else { value.to_be_bytes() };
        let mut header = [0; 20];
        header[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, order, 1]);
        header[16..18].copy_from_slice(&half(2));
        header[18..].copy_from_slice(&half(machine));
        Some(Self(header))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AARCH64: &str = "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: POF\noffset 0\n\
        magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

    #[test]
    fn registrations_are_matched_as_the_kernel_does() {
        let header = |architecture| Header::of(architecture).expect("known");
        assert!(takes(AARCH64, &header("arm64")));
        assert!(!takes(AARCH64, &header("arm")));
        assert!(!takes(AARCH64, &header("s390x")));
        assert!(!takes(&AARCH64.replace("enabled", "disabled"), &header("arm64")));
        assert!(!takes(&AARCH64.replace("POF", "PO"), &header("arm64")));
        assert!(!takes("enabled\n", &header("arm64")));
    }

    #[test]
    fn this_machines_own_programs_need_nothing() {
        check(&Platform::host()).expect("runs");
        let strange = Platform { architecture: "strange".into(), variant: String::new(), ..Platform::host() };
        let error = check(&strange).expect_err("nothing runs it");
        assert!(error.to_string().starts_with("running programs for linux/strange on this"), "{error}");
    }
}
