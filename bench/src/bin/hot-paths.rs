//! The hot paths, one at a time and each over the same input every time: `cargo xtask guard` counts their instructions.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program of this repository")]

use std::error::Error;
use std::io;

use layer::{Compression, Entry, EntryKind, LayerWriter, SourceTree, Tree};
use rootfs::TreePath;

type Done = Result<(), Box<dyn Error>>;

/// A path, and the name under which `bench/instructions.txt` knows it.
type HotPath = (&'static str, fn() -> Done);

const PATHS: [HotPath; 8] = [
    ("frame", || write(Compression::None, 2000, 2000)),
    ("gzip", || write(Compression::Gzip { level: 1 }, 40, 100_000)),
    ("gzip-fast", || write(Compression::FastGzip, 40, 100_000)),
    ("zstd", || write(Compression::Zstd { level: 1 }, 40, 100_000)),
    ("hash", hash),
    ("parse", parse),
    ("tree", tree),
    ("walk", walk),
];

fn main() -> Done {
    let wanted = std::env::args().nth(1);
    if let Some((_, run)) = PATHS.iter().find(|(name, _)| Some(*name) == wanted.as_deref()) {
        return run();
    }
    PATHS.iter().for_each(|(name, _)| println!("{name}"));
    Ok(())
}

/// A file, and its bytes.
type File = (Entry, Vec<u8>);

fn entries(count: usize, size: usize) -> Result<Vec<File>, Box<dyn Error>> {
    let one = |number: usize| {
        let path = TreePath::new(format!("usr/lib/module{}/file{number}", number / 30))?;
        let content = (0..size).map(|at| ((at * number) >> (at % 7)) as u8).collect();
        Ok((Entry::new(path, EntryKind::File { size: size as u64 }, 0o644), content))
    };
    (0..count).map(one).collect()
}

/// Framing, hashing and compressing, on one compressing thread.
fn write(compression: Compression, count: usize, size: usize) -> Done {
    let mut writer = LayerWriter::with_threads(io::sink(), compression, 1)?;
    for (entry, content) in entries(count, size)? {
        writer.append(&entry, Some(&content))?;
    }
    writer.finish()?;
    Ok(())
}

fn hash() -> Done {
    std::hint::black_box(oci::Digest::of(&vec![7; 8 << 20]));
    Ok(())
}

fn parse() -> Done {
    let text: String = (0..2000).map(|n| format!("RUN echo {n} \\\n  && true\nENV A{n}=\"$A {n}\"\n")).collect();
    let text = format!("FROM scratch\n{text}");
    dockerfile::parse(dockerfile::Source::from_bytes("Dockerfile".to_owned(), text.as_bytes()))?;
    Ok(())
}

/// A layer's index there and back, and the merged tree.
fn tree() -> Done {
    let mut writer = LayerWriter::with_threads(io::sink(), Compression::None, 1)?;
    for (entry, content) in entries(5000, 10)? {
        writer.append(&entry, Some(&content))?;
    }
    let (layer, _) = writer.finish()?;
    let index = layer::LayerIndex::from_bytes(&layer.index.to_bytes())?;
    let tree = Tree::new().with_layer(&index, None)?;
    for number in 0..5000 {
        let path = TreePath::new(format!("usr/lib/module{}/file{number}", number / 30))?;
        std::hint::black_box(tree.entry(&path)?);
    }
    Ok(())
}

/// What COPY asks of a context when nothing has changed.
fn walk() -> Done {
    let dir = tempfile::tempdir()?;
    for number in 0..1000 {
        let below = dir.path().join(format!("d{}", number / 50));
        std::fs::create_dir_all(&below)?;
        std::fs::write(below.join(number.to_string()), b"x")?;
    }
    let context = context::Directory::open(dir.path(), None)?;
    for _ in 0..10 {
        descend(&context, &TreePath::root())?;
    }
    Ok(())
}

fn descend(tree: &dyn SourceTree, dir: &TreePath) -> Done {
    for entry in tree.children(dir)? {
        if entry.is_dir() {
            descend(tree, &entry.path)?;
        } else {
            std::hint::black_box((tree.identity(&entry.path)?, tree.content(&entry.path)?.fingerprint()));
        }
    }
    Ok(())
}
