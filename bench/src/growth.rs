//! How cost grows with the number of images, layers and files: over three decades, and the slope of the logarithms.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::measure::{median, timed};
use crate::report::Report;
use crate::workspace::Workspace;

/// Times of one quantity at several sizes.
pub(crate) struct Curve {
    pub(crate) what: &'static str,
    /// How many, and seconds.
    pub(crate) points: Vec<(u64, f64)>,
}

impl Curve {
    /// The exponent of growth between the last two decades: 1 is linear. What a build costs before its first file hides the
    /// first decades.
    pub(crate) fn slope(&self) -> f64 {
        match self.points[..] {
            [.., (few, short), (many, long)] => (long / short).ln() / (many as f64 / few as f64).ln(),
            _ => f64::NAN,
        }
    }
}

pub(crate) fn run(workspace: &Workspace, report: &mut Report) -> Result<(), Failure> {
    let decades: &[u64] = if workspace.options.quick { &[1, 10, 100] } else { &[1, 10, 100, 1000] };
    let images = |count, dir: &Path| vec![(count, few_files(dir, 1))];
    let layers = |count, dir: &Path| vec![(1, many_layers(dir, count))];
    let files = |count, dir: &Path| vec![(1, few_files(dir, count * 100))];
    let curves = vec![
        curve(workspace, "images", decades, 1, images)?,
        curve(workspace, "layers", decades, 1, layers)?,
        curve(workspace, "files", decades, 100, files)?,
    ];
    for curve in &curves {
        report.goal(format!("growth with the number of {}, exponent", curve.what), 1.1, curve.slope());
    }
    report.growth(curves);
    Ok(())
}

type Made = Result<PathBuf, Failure>;

/// Builds, one after another, what `make` says for each count: how often to build, and the context.
fn curve(
    workspace: &Workspace,
    what: &'static str,
    decades: &[u64],
    unit: u64,
    make: impl Fn(u64, &Path) -> Vec<(u64, Made)>,
) -> Result<Curve, Failure> {
    let mut points = Vec::new();
    for count in decades {
        let dir = workspace.path(&format!("growth-{what}-{count}"));
        let mut walls = Vec::new();
        // A thousand builds are even enough.
        for _ in 0..if *count < 1000 { 3 } else { 1 } {
            let store = workspace.path("growth-store");
            let mut wall = 0.0;
            for (times, context) in make(*count, &dir) {
                let context = context?;
                for time in 0..times {
                    // Each image is another one.
                    fs::write(context.join("stamp"), time.to_string())?;
                    wall += timed(vec![workspace.build(&store, &context, "growth", "type=image,store=true")])?.wall;
                }
            }
            walls.push(wall);
            fs::remove_dir_all(&store)?;
        }
        let wall = median(walls.into_iter());
        eprintln!("   {what} {:8} {wall:9.3} s", count * unit);
        points.push((count * unit, wall));
        fs::remove_dir_all(&dir)?;
    }
    Ok(Curve { what, points })
}

fn few_files(dir: &Path, count: u64) -> Made {
    for number in 0..count {
        let below = dir.join(format!("d{}", number / 100));
        if number % 100 == 0 {
            fs::create_dir_all(&below)?;
        }
        fs::write(below.join(number.to_string()), number.to_string().repeat(100))?;
    }
    fs::write(dir.join("Dockerfile"), "FROM scratch\nCOPY . /\n")?;
    Ok(dir.to_owned())
}

fn many_layers(dir: &Path, count: u64) -> Made {
    fs::create_dir_all(dir)?;
    let mut text = String::from("FROM scratch\n");
    for number in 0..count {
        fs::write(dir.join(number.to_string()), number.to_string())?;
        writeln!(text, "COPY {number} /d/")?;
    }
    fs::write(dir.join("Dockerfile"), text)?;
    Ok(dir.to_owned())
}
