//! A thousand images for two platforms each, by one command, with nothing changed.

use std::fs;
use std::path::Path;

use crate::Failure;
use crate::growth::Curve;
use crate::measure::{Runner, alternate, timed, typical};
use crate::report::Report;
use crate::workspace::{Image, Workspace};

const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];
/// Where they go: nowhere but the local store, and to a registry.
const OUTPUTS: [(&str, &str); 2] =
    [("store", "type=image,store=true,compression=uncompressed"), ("push", "type=registry,compression=uncompressed")];

pub(crate) fn run(workspace: &Workspace, report: &mut Report) -> Result<(), Failure> {
    let decades: &[u64] = if workspace.options.quick { &[10, 100] } else { &[10, 100, 1000] };
    let mut curves = Vec::new();
    for (name, output) in OUTPUTS {
        let what = if name == "store" { "unchanged images, store" } else { "unchanged images, push" };
        let mut curve = Curve { what, points: Vec::new() };
        let mut cost = 0.0;
        for count in decades {
            let (wall, cpu) = unchanged(workspace, report, *count, name, output)?;
            curve.points.push((*count, wall));
            cost = 1e3 * cpu / (count * PLATFORMS.len() as u64) as f64;
        }
        report.goal(format!("an unchanged image of a platform, {name}, ms of processor time"), 1.0, cost);
        report.goal(format!("growth with the number of {what}, exponent"), 1.1, curve.slope());
        curves.push(curve);
    }
    report.growth(curves);
    Ok(())
}

/// Wall and processor time of so many images, built again.
fn unchanged(
    workspace: &Workspace,
    report: &mut Report,
    count: u64,
    name: &str,
    output: &str,
) -> Result<(f64, f64), Failure> {
    let (context, store) = (workspace.path("many"), workspace.path("many-store"));
    let images = images(&context, count)?;
    workspace.reset(&store)?;
    std::thread::sleep(std::time::Duration::from_millis(300));
    let build = || workspace.bake("many.json", &store, &images, output);
    timed(vec![build()?])?;
    timed(vec![build()?])?;
    let title = format!("{count} images, {name}");
    let mut runners = [Runner::new(title.clone(), |_| Ok(vec![build()?]))];
    let samples = alternate(&mut runners, workspace.options.rounds)?;
    report.table(&format!("{count} images for two platforms, nothing changed, {name}"), &title, &runners, &samples);
    let typical = |pick: fn(&crate::measure::Sample) -> f64| typical(&samples, &title, pick);
    Ok((typical(|sample| sample.wall), typical(|sample| sample.cpu)))
}

/// Images with a layer that all share and one of their own.
fn images(context: &Path, count: u64) -> Result<Vec<Image>, Failure> {
    fs::create_dir_all(context)?;
    fs::write(context.join("common"), "common")?;
    (0..count)
        .map(|number| {
            fs::write(context.join(format!("file{number}")), number.to_string())?;
            Ok(Image {
                name: format!("many{number}"),
                context: context.to_owned(),
                dockerfile: Some(format!("FROM scratch\nCOPY common /\nCOPY file{number} /file\nUSER 1000\n")),
                platforms: PLATFORMS.map(str::to_owned).into(),
            })
        })
        .collect()
}
