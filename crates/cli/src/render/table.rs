//! How many images ended, as a table.

use std::fmt::Write as _;

use engine::{JobOutcome, JobReport};

use super::clean;

/// A line for each image, in the order asked for, and how many there are of each kind.
pub(crate) fn table(reports: &[JobReport]) -> String {
    let width = reports.iter().map(|report| clean(&report.name).chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for report in reports {
        let (state, note) = ended(&report.outcome);
        let line = format!("{state:<7} {:<width$}  {note}", clean(&report.name));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let count = |kind: &str| reports.iter().filter(|report| ended(&report.outcome).0 == kind).count();
    let counts = ["done", "failed", "skipped"].map(|kind| (kind, count(kind)));
    let counts: Vec<String> =
        counts.into_iter().filter(|(_, count)| *count > 0).map(|(kind, count)| format!("{count} {kind}")).collect();
    let _ = writeln!(text, "{} images: {}", reports.len(), counts.join(", "));
    text
}

/// In a word, and what there is to say of it in a line; errors are told in full below the table.
fn ended(outcome: &JobOutcome) -> (&'static str, String) {
    match outcome {
        JobOutcome::Done(built) => {
            ("done", built.image.as_ref().map_or_else(String::new, |image| image.digest.to_string()))
        }
        JobOutcome::Failed(error) => {
            ("failed", clean(error.to_string().lines().next().unwrap_or_default()).into_owned())
        }
        JobOutcome::Skipped { because } => ("skipped", clean(because).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use engine::{BuildReport, Error};
    use oci::{Descriptor, MediaType};

    use super::*;

    #[test]
    fn every_image_has_a_line_and_every_end_is_counted() {
        let image = Descriptor::of(MediaType::OCI_MANIFEST, b"manifest");
        let done = BuildReport { image: Some(image.clone()), ..BuildReport::default() };
        let report = |name: &str, outcome| JobReport { name: name.into(), outcome };
        let reports = [
            report("app", JobOutcome::Done(Box::new(done))),
            report("context", JobOutcome::Done(Box::default())),
            report("b", JobOutcome::Failed(Error::NoImage("x\ny".into()))),
            report("c", JobOutcome::Skipped { because: "b failed".into() }),
        ];
        let expected = format!(
            "done    app      {}\ndone    context\nfailed  b        no image x\nskipped c        b failed\n4 images: 2 done, 1 failed, 1 skipped\n",
            image.digest
        );
        assert_eq!(table(&reports), expected);
    }
}
