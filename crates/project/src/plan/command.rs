//! The command that makes files, for one architecture.

use std::collections::{BTreeMap, BTreeSet};

use oci::Platform;

use super::planned::Make;
use super::profile::Command;
use super::values::Values;
use super::{Around, Error};

const TARGETS: &str = "${targets}";

/// The command for `targets`, unless there are none or all is said to be made.
pub(crate) fn make(
    command: &Command,
    targets: &BTreeSet<String>,
    images: &BTreeSet<&str>,
    (values, around, platform): (&Values<'_>, &Around<'_>, &Platform),
) -> Result<Option<Make>, Error> {
    let skipped = command.skip.as_deref().is_some_and(|name| around.variable(name) == Some("true"));
    if skipped || (targets.is_empty() && command.first.is_empty()) {
        return Ok(None);
    }
    let targets: Vec<&String> = command.first.iter().chain(targets).collect();
    let mut argv = Vec::new();
    for word in &command.run {
        match word.as_str() {
            TARGETS => argv.extend(targets.iter().map(|target| (*target).clone())),
            word => argv.push(values.expand(word)?),
        }
    }
    let environment = environment(command, images, values)?;
    Ok(Some(Make { platform: platform.clone(), argv, environment, directory: around.root.clone() }))
}

fn environment(
    command: &Command,
    images: &BTreeSet<&str>,
    values: &Values<'_>,
) -> Result<BTreeMap<String, String>, Error> {
    let counted = |besides: &[String]| images.iter().filter(|name| !besides.iter().any(|other| other == *name)).count();
    let alone = command.alone.as_ref().filter(|alone| counted(&alone.besides) <= 1);
    let more = alone.into_iter().flat_map(|alone| &alone.environment);
    command.environment.iter().chain(more).map(|(name, text)| Ok((name.clone(), values.expand(text)?))).collect()
}
