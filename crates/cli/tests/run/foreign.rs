//! Programs of another processor.

use std::fs;
use std::path::Path;

use testkit::tools::{find, run};

use crate::support::Ground;

const BINFMT: &str = "/proc/sys/fs/binfmt_misc";
/// An ELF header of the architecture, as `/usr/share/binfmts` of Debian's qemu-user-static registers it.
const ARM64: &str = r":shipsmith-test-arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:";

#[test]
fn without_an_emulator_the_error_says_how_to_get_one() {
    let Some(ground) = Ground::new() else { return };
    if fs::read_dir(BINFMT).is_ok_and(|mut entries| entries.next().is_some()) {
        return;
    }
    let said = ground.fails("FROM scratch\nCOPY Dockerfile /\nRUN [\"/x\"]\n", &["--platform=linux/s390x"]);
    assert!(said.contains("linux/s390x") && said.contains("binfmt_misc"), "{said}");
    ground.builds("FROM scratch\nCOPY Dockerfile /\n", &["--platform=linux/s390x"]);
    ground.is_clean();
}

/// The emulator itself is the program: a static one of this machine, under the other architecture's name.
#[test]
fn with_an_emulator_the_kernel_is_asked() {
    let Some(ground) = Ground::new() else { return };
    let Some(qemu) = find("qemu-aarch64-static") else { return };
    let register = Path::new(BINFMT).join("register");
    let mounted = !register.exists();
    if mounted
        && !std::process::Command::new("mount")
            .args(["-t", "binfmt_misc", "none", BINFMT])
            .status()
            .is_ok_and(|s| s.success())
    {
        return;
    }
    let line = format!("{ARM64}{}:F\n", qemu.path().display());
    if fs::write(&register, line).is_ok() {
        let said = ground.build("FROM scratch\nCOPY Dockerfile /\nRUN [\"/x\"]\n", &["--platform=linux/arm64"]);
        fs::write(Path::new(BINFMT).join("shipsmith-test-arm64"), "-1").expect("ours");
        assert!(!said.stderr.contains("binfmt_misc"), "it is tried: {}", said.stderr);
        assert!(said.stderr.contains("/x"), "{}", said.stderr);
    }
    if mounted {
        run(std::process::Command::new("umount").arg(BINFMT));
    }
    ground.is_clean();
}
