//! Whatever layers hold and programs do, the disk, the layer and the merged tree agree.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown, symlink as link};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use rootfs::Root;
use shipsmith_layer::overlay::{Owners, Owning, Times};
use shipsmith_layer::{Compression, Entry, EntryKind, Timestamp};

use crate::common::{Member, hardlink, path, write};
use crate::mounted::{Seen, Stack, assert_same, may_mount, schemes, seen_in_tree};

/// Few names, so that much is changed twice.
fn name() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec!["a", "b", "c"]);
    prop::collection::vec(names, 1..4).prop_map(|names| names.join("/"))
}

fn member() -> impl Strategy<Value = Member> {
    let kind = prop_oneof![
        3 => "[xy]{0,3}".prop_map(|text| (EntryKind::File { size: text.len() as u64 }, Some(text.into_bytes()))),
        3 => Just((EntryKind::Directory, None)),
        1 => name().prop_map(|target| (EntryKind::Symlink { target: format!("/{target}").into_bytes() }, None)),
        1 => Just((EntryKind::Fifo, None)),
        2 => Just((EntryKind::Whiteout, None)),
        1 => Just((EntryKind::OpaqueWhiteout, None)),
    ];
    let described = (name(), kind, prop::sample::select(vec![0o644, 0o4755, 0o700]), 0_i64..4).prop_map(
        |(name, (kind, content), mode, time)| {
            let mode = if matches!(kind, EntryKind::Symlink { .. }) { 0o777 } else { mode };
            let mut entry = Entry::new(path(&name), kind, mode);
            entry.mtime = Timestamp { seconds: time, nanos: 7 };
            (entry, content)
        },
    );
    prop_oneof![9 => described, 1 => (name(), name()).prop_map(|(name, target)| hardlink(&name, &target))]
}

fn layer() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(member(), 0..12).prop_map(|members| write(&members, Compression::None, 1).1)
}

/// What a program does; failures are its own.
#[derive(Debug, Clone)]
enum Step {
    Write(String, Vec<u8>),
    Append(String),
    Make(String),
    Remove(String),
    Again(String),
    Rename(String, String),
    Symlink(String, String),
    Link(String, String),
    Mode(String, u32),
    Owner(String, u32),
    Time(String, u64),
    Touch(String),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop::collection::vec(any::<u8>(), 0..4);
    prop_oneof![
        (name(), bytes).prop_map(|(name, bytes)| Step::Write(name, bytes)),
        name().prop_map(Step::Append),
        name().prop_map(Step::Make),
        name().prop_map(Step::Remove),
        name().prop_map(Step::Again),
        (name(), name()).prop_map(|(from, to)| Step::Rename(from, to)),
        (name(), name()).prop_map(|(name, target)| Step::Symlink(name, target)),
        (name(), name()).prop_map(|(from, to)| Step::Link(from, to)),
        (name(), prop::sample::select(vec![0o644, 0o2755, 0o700])).prop_map(|(name, mode)| Step::Mode(name, mode)),
        (name(), 0_u32..3).prop_map(|(name, owner)| Step::Owner(name, owner)),
        (name(), 0_u64..4).prop_map(|(name, time)| Step::Time(name, time)),
        name().prop_map(Step::Touch),
    ]
}

fn play(root: &Path, step: &Step, owners: bool) -> std::io::Result<()> {
    let there = |name: &str| fs::symlink_metadata(root.join(name)).is_ok_and(|found| found.is_file() || found.is_dir());
    match step {
        // Nobody reads from a pipe.
        Step::Write(name, bytes) if fs::symlink_metadata(root.join(name)).ok().is_none_or(|found| found.is_file()) => {
            fs::write(root.join(name), bytes)
        }
        Step::Append(name) if there(name) => fs::File::options().append(true).open(root.join(name))?.write_all(b"+"),
        Step::Make(name) => fs::create_dir_all(root.join(name)),
        Step::Remove(name) if root.join(name).is_dir() && !root.join(name).is_symlink() => {
            fs::remove_dir_all(root.join(name))
        }
        Step::Remove(name) => fs::remove_file(root.join(name)),
        Step::Again(name) if there(name) && root.join(name).is_dir() => {
            fs::remove_dir_all(root.join(name))?;
            fs::create_dir(root.join(name))
        }
        Step::Rename(from, to) => fs::rename(root.join(from), root.join(to)),
        Step::Symlink(name, target) => link(target, root.join(name)),
        Step::Link(from, to) => fs::hard_link(root.join(from), root.join(to)),
        Step::Mode(name, mode) if there(name) => fs::set_permissions(root.join(name), Permissions::from_mode(*mode)),
        Step::Owner(name, owner) if there(name) && owners => chown(root.join(name), Some(*owner), None),
        Step::Time(name, time) if there(name) => {
            fs::File::open(root.join(name))?.set_modified(UNIX_EPOCH + Duration::new(*time, 7))
        }
        Step::Touch(name) if there(name) => {
            let mode = fs::metadata(root.join(name))?.permissions();
            fs::set_permissions(root.join(name), mode)
        }
        _ => Ok(()),
    }
}

/// What a program sees of its own changes and a layer does not say: times of directories, and which names of lower files share an
/// inode.
fn without_traces(mut seen: Seen) -> Seen {
    for (path, file) in &mut seen {
        if file.entry.is_dir() {
            file.entry.mtime = Timestamp::EPOCH;
        }
        file.first = path.clone();
    }
    seen
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() }
}

/// `None` where the layers do not fit on each other, which tree and disk agree on.
fn stack(scheme: shipsmith_layer::overlay::Scheme, layers: &[Vec<u8>]) -> Option<Stack> {
    let mut stack = Stack::new(scheme);
    layers.iter().all(|layer| stack.push(layer.clone()).is_ok()).then_some(stack)
}

#[test]
fn unpacked_layers_are_the_merged_tree() {
    if !may_mount("random::unpacked_layers_are_the_merged_tree") {
        return;
    }
    let mut runner = proptest::test_runner::TestRunner::new(config());
    let result = runner.run(&prop::collection::vec(layer(), 1..4), |layers| {
        for scheme in schemes() {
            if let Some(stack) = stack(*scheme, &layers) {
                assert_same(&format!("{scheme:?}"), &seen_in_tree(&stack.tree), &stack.view(&[]).seen());
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn changes_are_what_was_changed() {
    if !may_mount("random::changes_are_what_was_changed") {
        return;
    }
    let mut runner = proptest::test_runner::TestRunner::new(config());
    let steps = prop::collection::vec(step(), 0..20);
    let result = runner.run(&(prop::collection::vec(layer(), 0..3), steps), |(layers, steps)| {
        for scheme in schemes() {
            let Some(mut stack) = stack(*scheme, &layers) else { continue };
            let mounted = stack.mount("upper");
            for step in &steps {
                // Programs make mistakes.
                let _ = play(&mounted.path(), step, scheme.owning == Owning::Real && schemes().len() > 1);
            }
            let seen = mounted.seen();
            drop(mounted);
            let tar = stack.changes("upper", Times::Kept, &Owners::default());
            let upper = Root::open(stack.dir.path().join("upper")).expect("opened");
            let kept = stack.view(&[&upper]).seen();
            stack.push(tar).expect("unpacked");
            let tree = seen_in_tree(&stack.tree);
            assert_same("the program's view", &without_traces(seen), &without_traces(tree.clone()));
            assert_same("unpacked", &tree, &stack.view(&[]).seen());
            assert_same("kept", &tree, &kept);
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
