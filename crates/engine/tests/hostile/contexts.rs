//! Contexts that point out of themselves, and contexts that change while they are read.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shipsmith_engine::{Event, EventSink};

use crate::bench::Bench;
use crate::raw::{Raw, archive};

#[test]
fn links_out_of_the_context_lead_nowhere() {
    let bench = Bench::new();
    bench.link("absolute", bench.outside("passwd")).link("relative", "../canary").link("host", "/etc/passwd");
    bench.link("up", "../../../../../../../../../../../etc/passwd").link("dir", bench.outside(""));
    bench.link("chain1", "chain2").link("chain2", "absolute").link("loop", "loop").link("parent", "..");
    for source in ["absolute", "relative", "host", "up", "chain1", "dir/passwd", "parent/canary", "dir/dir", "dir"] {
        let refusal = bench.refusal(&format!("FROM scratch\nCOPY {source} /x\n"));
        assert!(refusal.contains("not found"), "{source}: {refusal}");
    }
    assert!(bench.refusal("FROM scratch\nCOPY loop /x\n").contains("symbolic links"));
    for source in ["dir/*", "parent/can*", "dir/pass?d"] {
        let outcome = bench.outcome(&format!("FROM scratch\nCOPY {source} /x/\n"));
        assert!(outcome.is_err() || outcome.is_ok_and(|built| built.files().is_empty()), "{source}");
    }
}

#[test]
fn links_are_copied_as_links() {
    let bench = Bench::new();
    bench.file("d/f", "x").link("d/absolute", bench.outside("passwd")).link("d/up", "../../canary");
    let built = bench.build("FROM scratch\nCOPY d /x/\n");
    assert_eq!(built.files(), ["/x/absolute", "/x/f", "/x/up"]);
    assert_eq!(built.image().files["/x/up"].link.as_deref(), Some("../../canary"));
}

#[test]
fn dotdot_in_a_source_stops_at_the_context() {
    let bench = Bench::new();
    bench.file("canary", "the context's own").link("link", "../canary");
    let built = bench.build("FROM scratch\nCOPY ../canary ../../../work/../canary link /x/\n");
    assert_eq!(built.read("x/canary"), "the context's own");
}

#[test]
fn archives_and_ignore_files_are_not_read_through_links_out() {
    let bench = Bench::new();
    fs::write(bench.path("outside/evil.tar"), archive([Raw::new(b'0', "x", b"")])).expect("an archive");
    fs::write(bench.path("outside/ignore"), "*\n").expect("an ignore file");
    bench.link("evil.tar", bench.outside("evil.tar")).link(".dockerignore", bench.outside("ignore")).file("f", "x");
    assert!(bench.refusal("FROM scratch\nADD evil.tar /x/\n").contains("not found"));
    assert_eq!(bench.build("FROM scratch\nCOPY f /x/\n").files(), ["/x/f"]);
}

#[test]
fn no_refusal_quotes_a_file_outside() {
    let bench = Bench::new();
    bench.link("Dockerfile", "../canary");
    let refusal = bench.default_dockerfile().expect_err("refused");
    assert!(!refusal.contains("5d0c1e") && !refusal.contains("canary 5"), "{refusal}");
}

/// Meddles with the context once, when a step begins: after the contexts were opened and before its files are read.
struct Meddler<F> {
    meddle: F,
    done: AtomicBool,
}

impl<F: Fn() + Send + Sync> Meddler<F> {
    fn new(meddle: F) -> Arc<Self> {
        Arc::new(Self { meddle, done: AtomicBool::new(false) })
    }

    fn has_meddled(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }
}

impl<F: Fn() + Send + Sync> EventSink for Meddler<F> {
    fn event(&self, _at: Duration, event: Event) {
        if matches!(&event, Event::Started { name, .. } if name.contains("COPY"))
            && !self.done.swap(true, Ordering::Relaxed)
        {
            (self.meddle)();
        }
    }
}

#[test]
fn a_directory_that_becomes_a_link_is_not_followed() {
    let bench = Bench::new();
    bench.file("d/dir/file", "inside").file("d/passwd", "inside");
    let (dir, outside): (PathBuf, String) = (bench.path("work/context/d"), bench.outside(""));
    let meddler = Meddler::new(move || {
        fs::remove_dir_all(&dir).expect("removed");
        std::os::unix::fs::symlink(&outside, &dir).expect("a link");
    });
    let outcome = bench.watched("FROM scratch\nCOPY d/passwd d/dir /x/\n", meddler.clone());
    assert!(outcome.err().is_some_and(|refusal| refusal.contains("not found")));
    assert!(meddler.has_meddled());
}

#[test]
fn a_file_that_becomes_a_link_is_not_followed() {
    let bench = Bench::new();
    bench.file("f", "inside");
    let (file, outside) = (bench.path("work/context/f"), bench.outside("passwd"));
    let meddler = Meddler::new(move || {
        fs::remove_file(&file).expect("removed");
        std::os::unix::fs::symlink(&outside, &file).expect("a link");
    });
    assert!(bench.watched("FROM scratch\nCOPY f /x/\n", meddler.clone()).is_err());
    assert!(meddler.has_meddled());
}

#[test]
fn a_file_that_vanishes_is_an_error() {
    let bench = Bench::new();
    bench.file("f", "x");
    let file = bench.path("work/context/f");
    let meddler = Meddler::new(move || fs::remove_file(&file).expect("removed"));
    assert!(
        bench
            .watched("FROM scratch\nCOPY f /x/\n", meddler.clone())
            .err()
            .is_some_and(|text| text.contains("not found"))
    );
}
