//! Secrets are seen by the step that asks, and by nobody and nothing else.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use testkit::environment::Ended;

use crate::support::Ground;

const TOKEN: &str = "a-very-secret-token-0123456789";

/// Whether a file below `dir` has this text, as it is or unpacked.
pub(crate) fn holds_text(dir: &Path, text: &str) -> bool {
    !leaks_of(dir, text).is_empty()
}

/// Files below `dir` that have the token.
fn leaks(dir: &Path) -> Vec<String> {
    leaks_of(dir, TOKEN)
}

fn leaks_of(dir: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() {
            found.extend(leaks_of(&path, text));
        } else if kind.is_file() && holds(&path, text) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn holds(path: &Path, text: &str) -> bool {
    let mut bytes = Vec::new();
    File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).expect("ours");
    let mut unpacked = Vec::new();
    let _ = MultiGzDecoder::new(&bytes[..]).read_to_end(&mut unpacked);
    [bytes, unpacked].iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

fn unseen(ended: &Ended) {
    assert!(!ended.stderr.contains(TOKEN) && !ended.stdout.contains(TOKEN), "{}", ended.stderr);
}

#[test]
fn a_secret_is_in_no_layer_history_config_log_or_record() {
    let Some(ground) = Ground::new() else { return };
    let file = ground.environment().write("elsewhere/token", TOKEN);
    let flag = format!("--secret=id=token,src={}", file.display());
    let dockerfile = "FROM base\n\
         RUN --mount=type=secret,id=token --mount=type=secret,id=token,target=/etc/deep/t --mount=type=secret,id=token,env=T \
             test \"$T\" = \"$(cat /run/secrets/token)\" && test -s /etc/deep/t && wc -c < /etc/deep/t > /size\n\
         RUN test ! -e /run/secrets/token && test ! -e /etc/deep && test -z \"$T\"\n";
    let outputs = ["--output=type=oci,dest=a.tar", "--output=type=image,name=a:1", "--output=type=local,dest=out"];
    let ended = ground.build(dockerfile, &[&[&flag[..], "--metadata-file=meta.json"], &outputs[..]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    unseen(&ended);
    fs::remove_file(&file).expect("ours");
    let root = ground.environment().store().parent().expect("a parent").to_owned();
    assert_eq!(leaks(&root), [""; 0]);
    ground.is_clean();
}

#[test]
fn a_secret_of_a_failing_step_is_not_told() {
    let Some(ground) = Ground::new() else { return };
    let file = ground.environment().write("elsewhere/token", TOKEN);
    let flag = format!("--secret=id=token,src={}", file.display());
    let ended = ground.build("FROM base\nRUN --mount=type=secret,id=token,env=TOKEN exit 3\n", &[&flag]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    unseen(&ended);
    fs::remove_file(&file).expect("ours");
    assert_eq!(leaks(&ground.environment().store()), [""; 0]);
    ground.is_clean();
}

/// It is declared, not known: another value is no reason to run again, and what was made with the first one is taken.
#[test]
fn a_secrets_value_is_no_part_of_the_cache_key() {
    let Some(ground) = Ground::new() else { return };
    let dockerfile = "FROM base\nRUN --mount=type=secret,id=token cat /proc/sys/kernel/random/uuid > /id\n";
    let digest = |value: &str| {
        let file = ground.environment().write("elsewhere/token", value);
        ground.digest(dockerfile, &[&format!("--secret=id=token,src={}", file.display())])
    };
    assert_eq!(digest(TOKEN), digest("another"));
}

#[test]
fn the_builders_variables_are_given_only_when_asked() {
    let Some(base) = testkit::fixtures::busybox_base() else { return };
    if !testkit::tools::as_root() {
        return;
    }
    let ground = Ground::over(base, &[("TOKEN", TOKEN)]);
    ground.builds("FROM base\nRUN test -z \"$TOKEN\"\n", &[]);
    let step = format!("FROM base\nRUN --mount=type=secret,id=TOKEN,env=GIVEN test ${{#GIVEN}} = {}\n", TOKEN.len());
    unseen(&ground.build(&step, &["--secret=id=TOKEN,env=TOKEN"]));
    ground.builds(&step, &["--secret=id=TOKEN,env=TOKEN"]);
    assert_eq!(leaks(&ground.environment().store()), [""; 0]);
    ground.is_clean();
}
