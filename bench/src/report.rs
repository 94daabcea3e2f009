//! The results, as markdown between two marks of docs/performance.md.

use std::fmt::{Display, Write as _};
use std::fs;
use std::path::Path;

use crate::Failure;
use crate::codecs::Row;
use crate::contender::{Absent, Peer};
use crate::growth::Curve;
use crate::measure::{Runner, Samples, median, noise};
use crate::options::Options;
use crate::plot::{self, Bar};

const BEGIN: &str = "<!-- measured: begin -->\n";
const END: &str = "<!-- measured: end -->";

pub(crate) struct Report {
    head: String,
    goals: String,
    text: String,
    bars: Vec<(String, Vec<Bar>)>,
}

impl Report {
    pub(crate) fn new(options: &Options) -> Report {
        let scale = if options.quick { ", small inputs (--quick)" } else { "" };
        let head = format!(
            "Measured on {}: {} rounds in turns{scale}; medians, with half the distance between the quartiles as noise.\n",
            machine(),
            options.rounds
        );
        Report { head, goals: String::new(), text: String::new(), bars: Vec::new() }
    }

    /// What was to be reached, and what was.
    pub(crate) fn goal(&mut self, what: impl Display, most: f64, measured: f64) {
        let verdict = if measured <= most { "reached" } else { "**not reached**" };
        let _ = writeln!(self.goals, "| {what} | {most} | {measured:.2} | {verdict} |");
    }

    /// Everything, the goals first.
    fn whole(&self) -> String {
        let goals = match self.goals.as_str() {
            "" => String::new(),
            rows => format!("\n### Goals\n\n| | at most | measured | |\n|---|--:|--:|---|\n{rows}"),
        };
        format!("{}{goals}{}", self.head, self.text)
    }

    /// Who took part, and who did not.
    pub(crate) fn peers(&mut self, peers: &[Peer], absent: &[Absent]) {
        let there: Vec<String> = peers.iter().map(|peer| format!("{} ({})", peer.name(), peer.version)).collect();
        let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        let gone: Vec<String> = absent.iter().map(|a| format!("{} ({})", a.program, a.reason)).collect();
        let _ = writeln!(self.text, "\nPeers: {there}. Left out: {}.", gone.join(", "));
    }

    /// Times in the order of `runners`, and their ratios to `reference`.
    pub(crate) fn table(&mut self, title: &str, reference: &str, runners: &[Runner<'_>], samples: &Samples) {
        let of = |name: &str| samples.get(name).map(Vec::as_slice).unwrap_or_default();
        let _ = writeln!(
            self.text,
            "\n### {title}\n\n| | seconds | ± | of {reference} | ± | CPU seconds |\n|---|--:|--:|--:|--:|--:|"
        );
        let mut bars = Vec::new();
        for runner in runners {
            let own = of(&runner.name);
            let wall = median(own.iter().map(|sample| sample.wall));
            let spread = noise(own.iter().map(|sample| sample.wall));
            // Round by round: what disturbed one disturbed the other.
            let ratios = || own.iter().zip(of(reference)).map(|(one, other)| one.wall / other.wall);
            let cpu = median(own.iter().map(|sample| sample.cpu));
            let _ = writeln!(
                self.text,
                "| {} | {wall:.4} | {:.0} % | {:.2} | {:.0} % | {cpu:.4} |",
                runner.name,
                100.0 * spread,
                median(ratios()),
                100.0 * noise(ratios()),
            );
            bars.push(Bar { name: runner.name.clone(), seconds: wall });
        }
        self.bars.push((title.to_owned(), bars));
    }

    pub(crate) fn memory(&mut self, rows: &[(String, u64)]) {
        self.text.push_str("\n### Peak memory\n\n| | MB |\n|---|--:|\n");
        for (name, bytes) in rows {
            let _ = writeln!(self.text, "| {name} | {:.1} |", *bytes as f64 / 1e6);
        }
    }

    pub(crate) fn growth(&mut self, curves: Vec<Curve>) {
        self.text
            .push_str("\n### Growth\n\nSeconds; the slope is the exponent over the last decade, 1 being linear.\n");
        for curve in &curves {
            let counts: Vec<String> = curve.points.iter().map(|(count, _)| count.to_string()).collect();
            let seconds: Vec<String> = curve.points.iter().map(|(_, seconds)| format!("{seconds:.3}")).collect();
            let rule = "|--:".repeat(counts.len() + 2);
            let (counts, seconds) = (counts.join(" | "), seconds.join(" | "));
            let _ = writeln!(
                self.text,
                "\n| {} | {counts} | slope |\n{rule}|\n| | {seconds} | {:.2} |",
                curve.what,
                curve.slope()
            );
        }
    }

    pub(crate) fn codecs(&mut self, rows: &[Row]) {
        self.text.push_str(
            "\n### Compressors\n\nOne compressing thread, both hashes included, over the executables' bytes.\n\n",
        );
        self.text.push_str("| | MB/s | size |\n|---|--:|--:|\n");
        for row in rows {
            let _ = writeln!(self.text, "| {} | {:.0} | {:.3} |", row.name, row.speed, row.ratio);
        }
    }

    /// Puts the tables between the marks of performance.md, and the plot beside it; prints them when there is no such place.
    pub(crate) fn write(&self, options: &Options) -> Result<(), Failure> {
        let Some(dir) = &options.out else {
            println!("{}", self.whole());
            return Ok(());
        };
        let path = dir.join("performance.md");
        let page = fs::read_to_string(&path)?;
        let (before, rest) = page.split_once(BEGIN).ok_or_else(|| missing(&path, BEGIN))?;
        let (_, after) = rest.split_once(END).ok_or_else(|| missing(&path, END))?;
        let plot = "\n![seconds per case](performance.svg)\n";
        fs::write(&path, format!("{before}{BEGIN}{}{plot}{END}{after}", self.whole()))?;
        fs::write(dir.join("performance.svg"), plot::svg(&self.bars))?;
        Ok(())
    }
}

fn missing(path: &Path, mark: &str) -> String {
    format!("{} has no line {:?}", path.display(), mark.trim_end())
}

/// The machine in a few words.
fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(": ").map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let sha = if field("flags").split(' ').any(|flag| flag == "sha_ni") { "with" } else { "without" };
    format!("{} cores {sha} SHA instructions ({})", cores, field("model name"))
}
