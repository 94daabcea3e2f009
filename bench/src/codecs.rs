//! What a compressor costs and gains: the choice of levels rests on this table.

use std::io::{self, Write};
use std::time::Instant;

use layer::{Compression, LayerWriter};

use crate::Failure;
use crate::fixture::Program;
use crate::measure::median;
use crate::report::Report;
use crate::workspace::Workspace;

/// One compression, measured over one file with one compressing thread.
pub(crate) struct Row {
    pub(crate) name: String,
    /// Megabytes of input a second.
    pub(crate) speed: f64,
    /// Of the input's size.
    pub(crate) ratio: f64,
}

pub(crate) fn run(workspace: &Workspace, report: &mut Report) -> Result<(), Failure> {
    let path = workspace.path("codec-input");
    Program::new(77).write(&path, if workspace.options.quick { 8_000_000 } else { 64_000_000 })?;
    let bytes = std::fs::read(&path)?;
    let mut rows = vec![hash(&bytes)];
    let gzip = [1, 2, 3, 4, 6, 9].map(|level| Compression::Gzip { level });
    let fast = [Compression::FastGzip];
    let zstd = [1, 2, 3, 6, 9].map(|level| Compression::Zstd { level });
    for compression in gzip.into_iter().chain(fast).chain(zstd) {
        rows.push(compress(&bytes, compression)?);
    }
    report.codecs(&rows);
    Ok(())
}

fn hash(bytes: &[u8]) -> Row {
    let seconds = median((0..3).map(|_| {
        let began = Instant::now();
        std::hint::black_box(oci::Digest::of(bytes));
        began.elapsed().as_secs_f64()
    }));
    Row { name: "SHA-256 alone".into(), speed: bytes.len() as f64 / 1e6 / seconds, ratio: 1.0 }
}

fn compress(bytes: &[u8], compression: Compression) -> Result<Row, Failure> {
    let mut size = 0;
    let mut times = Vec::new();
    for _ in 0..3 {
        let began = Instant::now();
        size = written(bytes, compression)?;
        times.push(began.elapsed().as_secs_f64());
    }
    let speed = bytes.len() as f64 / 1e6 / median(times.into_iter());
    let name = match compression {
        Compression::Gzip { level } => format!("gzip {level}"),
        Compression::FastGzip => "gzip-fast".to_owned(),
        Compression::Zstd { level } => format!("zstd {level}"),
        Compression::None => "none".to_owned(),
    };
    eprintln!("   {name:10} {speed:7.0} MB/s {:.3}", size as f64 / bytes.len() as f64);
    Ok(Row { name, speed, ratio: size as f64 / bytes.len() as f64 })
}

/// Compresses through the product's own pipeline, with one compressing thread.
fn written(bytes: &[u8], compression: Compression) -> Result<u64, Failure> {
    let mut writer = LayerWriter::with_threads(Nowhere, compression, 1)?;
    let path = rootfs::TreePath::new("file")?;
    let entry = layer::Entry::new(path, layer::EntryKind::File { size: bytes.len() as u64 }, 0o755);
    writer.append(&entry, Some(&bytes.to_vec()))?;
    Ok(writer.finish()?.0.size)
}

struct Nowhere;

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
