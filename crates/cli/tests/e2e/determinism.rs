//! The same input gives the same digest, wherever and however it is built.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use testkit::environment::ended;
use testkit::fixtures::tiny_base;

use crate::support::{Environment, base, environment, image, json};

const DOCKERFILE: &str = "FROM base AS tools\nCOPY . /src/\nFROM base\nCOPY --from=tools /src/dir /opt/dir\n\
     COPY . /all/\nWORKDIR /new/dir\nCOPY b* /usr/bin/\nLABEL z=1 a=2\nENV B=1 A=2\n";

/// The context's files, in this order or the other, with their times `age` seconds after 1970.
fn fill(environment: &Environment, reversed: bool, age: u64) {
    let mut names = vec!["Dockerfile", "b1", "b2", "c", "dir/one", "dir/two", "dir/sub/three"];
    if reversed {
        names.reverse();
    }
    for name in names {
        let content = if name == "Dockerfile" { DOCKERFILE.to_owned() } else { format!("content of {name}\n") };
        let path = environment.write(&format!("app/{name}"), content);
        let file = fs::File::options().write(true).open(&path).expect("just written");
        file.set_modified(UNIX_EPOCH + Duration::from_secs(age)).expect("ours");
        set_mode(&path, if name == "b1" { 0o755 } else { 0o644 });
    }
    symlink("c", environment.path("app/link")).expect("ours");
    for directory in ["app", "app/dir", "app/dir/sub"] {
        set_mode(&environment.path(directory), 0o755);
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

/// The digest of a build that `sh -c` begins with `prelude`.
fn digest(environment: &Environment, prelude: &str, flags: &[&str]) -> String {
    let base = base(&tiny_base());
    let mut command = std::process::Command::new("/bin/sh");
    let script = format!("{prelude}; exec \"$@\"");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_shipsmith"), "build", &base, "--metadata-file=meta.json"]);
    command.args(flags).arg("app");
    environment.confine(&mut command);
    let ended = ended(&mut command);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    json(environment.read("meta.json"))["containerimage.digest"].as_str().expect("a digest").to_owned()
}

fn built(reversed: bool, age: u64, prelude: &str, flags: &[&str]) -> String {
    let environment = environment();
    fill(&environment, reversed, age);
    digest(&environment, prelude, flags)
}

#[test]
fn place_umask_order_times_and_threads_do_not_matter() {
    let first = built(false, 1_000_000_000, "umask 022", &[]);
    assert_eq!(first, built(true, 1_700_000_000, "umask 077", &[]));
    assert_eq!(first, built(false, 1, "umask 000", &["--no-cache"]));
    assert_eq!(first, built(false, 1, "taskset -p -c 0 $$ >/dev/null", &[]), "one thread");
    assert_eq!(first, built(true, 1, "export TZ=Asia/Tokyo LC_ALL=C LANG=tr_TR.UTF-8", &[]));
}

#[test]
fn each_compression_is_deterministic() {
    for compression in ["uncompressed", "gzip", "zstd"] {
        let output = format!("type=image,compression={compression}");
        let flags = ["-o", output.as_str()];
        assert_eq!(built(false, 5, ":", &flags), built(true, 6, "umask 077", &flags), "{compression}");
    }
}

#[test]
fn what_is_different_has_another_digest() {
    let environment = environment();
    fill(&environment, false, 1);
    let first = digest(&environment, ":", &[]);
    assert_eq!(digest(&environment, ":", &[]), first);
    set_mode(&environment.path("app/c"), 0o600);
    let other_mode = digest(&environment, ":", &[]);
    assert_ne!(other_mode, first);
    set_mode(&environment.path("app/c"), 0o644);
    assert_eq!(digest(&environment, ":", &[]), first);
    environment.write("app/c", "other text of c\n");
    assert_ne!(digest(&environment, ":", &[]), first);
}

#[test]
fn source_date_epoch_is_the_time_of_everything_made() {
    let epoch = "export SOURCE_DATE_EPOCH=1600000000";
    let first = built(false, 1, epoch, &["-o", "type=oci,tar=false,dest=layout"]);
    assert_eq!(first, built(true, 1_700_000_000, epoch, &["-o", "type=oci,dest=a.tar"]));
    assert_ne!(first, built(false, 1, ":", &["-o", "type=oci,dest=a.tar"]));
    let argument = built(false, 1, ":", &["--build-arg", "SOURCE_DATE_EPOCH=1600000000"]);
    assert_eq!(first, argument, "as buildx has it");
    let environment = environment();
    fill(&environment, false, 1);
    digest(&environment, epoch, &["-o", "out", "-o", "type=image"]);
    let times = |name: &str| environment.path(name).metadata().expect("it").modified().expect("a time");
    assert_eq!(times("out/opt/dir/one"), UNIX_EPOCH + Duration::from_secs(1_600_000_000));
    let created = json(environment.ok(["images", "--json"]).lines().next().expect("an image"));
    let inspected = json(environment.ok(["inspect", created["digest"].as_str().expect("a digest")]));
    assert_eq!(inspected["manifests"][0]["config"]["created"], "2020-09-13T12:26:40Z");
}

#[test]
fn the_default_time_is_fixed_and_not_before_1980() {
    let environment = environment();
    fill(&environment, false, 1_700_000_000);
    digest(&environment, ":", &["-o", "out", "-o", "type=image"]);
    let time = environment.path("out/all/c").metadata().expect("it").modified().expect("a time");
    assert_eq!(time, UNIX_EPOCH + Duration::from_secs(315_619_200));
}

#[test]
fn the_clock_and_the_files_own_times_are_there_for_the_asking() {
    let environment = environment();
    fill(&environment, false, 1_234_567_890);
    let time = |flag: &str, directory: &str| {
        digest(&environment, ":", &[flag, "-o", directory, "-o", "type=image"]);
        environment.path(&format!("{directory}/all/c")).metadata().expect("it").modified().expect("a time")
    };
    assert_eq!(time("--timestamp=source", "source"), UNIX_EPOCH + Duration::from_secs(1_234_567_890));
    let before = std::time::SystemTime::now() - Duration::from_secs(2);
    assert!(time("--timestamp=now", "now") > before);
}

#[test]
fn normalized_modes_forget_what_a_checkout_may_change() {
    let build = |modes: [u32; 4]| {
        let environment = environment();
        fill(&environment, false, 1);
        for (name, mode) in ["b1", "c", "dir/one", "dir"].into_iter().zip(modes) {
            set_mode(&environment.path(&format!("app/{name}")), mode);
        }
        let output = ["--normalize-modes", "-o", "type=oci,dest=a.tar"];
        (digest(&environment, ":", &output), image(&environment.path("a.tar")))
    };
    let (first, files) = build([0o755, 0o644, 0o644, 0o755]);
    assert_eq!(build([0o700, 0o600, 0o664, 0o750]).0, first);
    for (path, mode) in [("/all/b1", "0755"), ("/all/c", "0644"), ("/all/dir", "0755"), ("/all/dir/one", "0644")] {
        assert_eq!(files.files[path].mode, mode, "{path}");
        assert_eq!((files.files[path].uid, files.files[path].gid), (0, 0), "{path}");
    }
}
