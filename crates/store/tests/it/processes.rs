//! Many processes use one store, and any of them may die at any moment.
//!
//! The tests start this very test program again, as a [`child`] with a task in its environment.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{Outcome, count, new_store, parts, put_blob, put_image, reference};
use oci::Digest;
use shipsmith_store::{Error, Prune, Store};

const TASK: &str = "SHIPSMITH_TEST_TASK";
const DIR: &str = "SHIPSMITH_TEST_DIR";
/// What a child says when it got somewhere.
const MARK: &str = "child: ";

/// Not a test of its own: what a started child does.
#[test]
fn child() -> Outcome {
    let Ok(task) = env::var(TASK) else { return Ok(()) };
    let dir = env::var(DIR)?;
    let (kind, number) = task.split_once(' ').ok_or("a task has a number")?;
    match kind {
        "tag" => build(&dir, number),
        "half" => write_half(&dir),
        "forever" => build_forever(&dir),
        "fill" => fill(&dir),
        other => Err(format!("no task {other}").into()),
    }
}

#[expect(clippy::print_stdout, reason = "the parent waits for these lines")]
fn say(what: impl std::fmt::Display) {
    println!("\n{MARK}{what}");
}

fn build(dir: &str, number: &str) -> Outcome {
    let store = Store::open(dir)?;
    for round in 0..5 {
        let image = put_image(&store, &format!("{number} {round}"))?;
        store.tag(&reference(&format!("app{number}:{round}")), &image)?;
        store.cache_put("result", &Digest::of(number.as_bytes()), b"value", &[image.digest])?;
    }
    Ok(())
}

fn write_half(dir: &str) -> Outcome {
    let store = Store::open(dir)?;
    let mut writer = store.writer(Some(1 << 20))?;
    writer.write_all(&[7; 4096])?;
    say("half");
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

fn build_forever(dir: &str) -> Outcome {
    let store = Store::open(dir)?;
    for round in 0_u64.. {
        let image = put_image(&store, &"x".repeat(usize::try_from(round * 777 % 100_000)?))?;
        store.tag(&reference("app"), &image)?;
        store.stat_record(&[], std::time::SystemTime::now())?;
        store.cache_put("result", &Digest::of(&round.to_le_bytes()), b"value", &[image.digest])?;
        say(round);
    }
    Ok(())
}

fn fill(dir: &str) -> Outcome {
    let store = Store::open(dir)?;
    let error = store.writer(Some(64 << 20)).expect_err("the announced size is too large");
    assert!(matches!(error, Error::Full { needed, .. } if needed == 64 << 20), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("shipsmith prune")));

    let mut writer = store.writer(None)?;
    let error = std::iter::repeat_with(|| writer.write_all(&[1; 65536])).find_map(Result::err).ok_or("it fills up")?;
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert!(error.to_string().contains(dir), "{error}");
    drop(writer);
    assert_eq!((count(&store, "shipsmith/ingest"), count(&store, "blobs/sha256")), (0, 0));
    put_blob(&store, b"there is space again")?;
    say("filled");
    Ok(())
}

fn start(program: &mut Command, task: &str, dir: &Path) -> std::io::Result<Child> {
    program.env(TASK, task).env(DIR, dir).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
}

fn start_child(task: &str, dir: &Path) -> std::io::Result<Child> {
    start(Command::new(env::current_exe()?).args(["--exact", "processes::child", "--nocapture"]), task, dir)
}

/// Waits until the child has said something `times` times.
fn hear(child: &mut Child, times: usize) -> usize {
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    lines.filter(|line| line.starts_with(MARK)).take(times).count()
}

#[test]
fn ten_processes_writing_and_naming_at_once_lose_nothing() -> Outcome {
    let dir = tempfile::tempdir()?;
    let place = dir.path().join("store");
    let children: Vec<Child> =
        (0..10).map(|number| start_child(&format!("tag {number}"), &place)).collect::<Result<_, _>>()?;
    for mut child in children {
        assert!(child.wait()?.success());
    }
    let store = Store::open(&place)?;
    assert_eq!(store.tags()?.len(), 50);
    assert!(store.verify()?.is_empty());
    assert_eq!((count(&store, "shipsmith/ingest"), count(&store, "shipsmith/leases")), (0, 0));
    assert_eq!(store.usage()?.records, 10);
    Ok(())
}

#[test]
fn threads_with_one_store_lose_nothing_either_while_garbage_is_collected() -> Outcome {
    let (_dir, store) = new_store()?;
    std::thread::scope(|scope| {
        for number in 0..4 {
            let store = store.clone();
            scope.spawn(move || {
                build(&store.dir().display().to_string(), &number.to_string()).map_err(|e| e.to_string())
            });
        }
        for _ in 0..20 {
            let other = Store::open(store.dir()).expect("it opens");
            other.prune(&Prune { dangling: true, ..Prune::default() }).expect("it prunes");
        }
    });
    assert_eq!(store.tags()?.len(), 20);
    for (_, image) in store.tags()? {
        assert!(parts(&store, &image)?.iter().all(|digest| store.contains(digest)));
    }
    Ok(())
}

#[test]
fn a_process_killed_while_writing_leaves_nothing() -> Outcome {
    let (_dir, store) = new_store()?;
    let mut child = start_child("half 0", store.dir())?;
    assert_eq!(hear(&mut child, 1), 1);
    assert_eq!(count(&store, "shipsmith/ingest"), 1);
    drop(Store::open(store.dir())?);
    assert_eq!(count(&store, "shipsmith/ingest"), 1, "it lives, so its file stays");
    child.kill()?;
    child.wait()?;
    let store = Store::open(store.dir())?;
    assert_eq!((count(&store, "shipsmith/ingest"), count(&store, "shipsmith/leases")), (0, 0));
    assert_eq!(count(&store, "blobs/sha256"), 0);
    Ok(())
}

#[test]
fn killed_at_twenty_moments_the_store_is_whole_each_time() -> Outcome {
    let dir = tempfile::tempdir()?;
    for times in 1..=20 {
        let mut child = start_child("forever 0", dir.path())?;
        assert_eq!(hear(&mut child, times), times);
        child.kill()?;
        child.wait()?;
        let store = Store::open(dir.path())?;
        assert_eq!(store.verify()?, []);
        assert_eq!(store.tags()?.len(), 1);
        assert_eq!(count(&store, "shipsmith/ingest"), 0);
        store.prune(&Prune { cache: true, ..Prune::default() })?;
        assert_eq!(store.usage()?.blobs, 3);
    }
    Ok(())
}

/// In a mount namespace of its own, so that nothing stays mounted whatever happens.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says why")]
fn a_full_disk_is_an_error_that_says_what_to_do() -> Outcome {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root may mount a small file system");
        return Ok(());
    }
    let Some(unshare) = testkit::tools::require("unshare") else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let script = "mount -t tmpfs -o size=1m none \"$0\" && exec \"$1\" --exact processes::child --nocapture";
    let mut command = unshare.command();
    command.args(["--mount", "sh", "-c", script]).arg(dir.path()).arg(env::current_exe()?);
    let mut child = start(&mut command, "fill 0", dir.path())?;
    assert_eq!(hear(&mut child, usize::MAX), 1);
    assert!(child.wait()?.success());
    Ok(())
}
