//! Which images a Dockerfile names.

use std::collections::BTreeSet;

use dockerfile::expand::Expander;
use dockerfile::{Dockerfile, Kind, Source, Word};
use oci::Reference;

/// The images that the stages of a Dockerfile are built upon or copy from, with these build arguments; names of stages are
/// none, nor is what cannot be expanded without a build.
///
/// # Errors
/// When the text is no Dockerfile.
pub fn bases(name: &str, text: &[u8], args: &[(String, String)]) -> Result<BTreeSet<Reference>, dockerfile::Error> {
    let file = dockerfile::parse(Source::from_bytes(name.to_owned(), text))?;
    let expander = Expander::new(file.directives.escape);
    let values = global_values(&file, &expander, args);
    let stages: BTreeSet<String> =
        file.stages.iter().filter_map(|stage| Some(stage.name.as_ref()?.value.clone())).collect();
    let image = |word: &Word| {
        let text = expander.expand(word, &values).ok()?.value;
        let own = text == "scratch" || stages.contains(&text.to_lowercase()) || text.parse::<usize>().is_ok();
        if own { None } else { text.parse::<Reference>().ok().map(Reference::or_latest) }
    };
    Ok(words(&file).filter_map(image).collect())
}

fn words(file: &Dockerfile) -> impl Iterator<Item = &Word> {
    file.stages.iter().flat_map(|stage| {
        let copied = stage.instructions.iter().flat_map(|instruction| from(&instruction.kind));
        std::iter::once(&stage.base).chain(copied)
    })
}

fn from(kind: &Kind) -> Vec<&Word> {
    match kind {
        Kind::Copy(transfer) => transfer.from.iter().collect(),
        Kind::Run(run) => run.mounts.iter().filter_map(|mount| mount.from.as_ref()).collect(),
        _ => Vec::new(),
    }
}

/// What FROM sees: declared before it, with the values that are given, else the defaults.
fn global_values(file: &Dockerfile, expander: &Expander, args: &[(String, String)]) -> Vec<(String, String)> {
    let mut values: Vec<(String, String)> = Vec::new();
    let declared = file.global_args.iter().filter_map(|instruction| match &instruction.kind {
        Kind::Arg(declared) => Some(declared),
        _ => None,
    });
    for arg in declared.flatten() {
        let given = args.iter().rev().find(|(name, _)| *name == arg.name.raw).map(|(_, value)| value.clone());
        let default = || Some(expander.expand(arg.value.as_ref()?, &values).ok()?.value);
        if let Some(value) = given.or_else(default) {
            values.push((arg.name.raw.clone(), value));
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_by_from_copy_and_mounts() {
        let text = b"ARG DEP\nARG V=1\nFROM ${DEP} AS one\nFROM example.org/a:$V\nCOPY --from=one /a /a\n\
                     COPY --from=example.org/b /b /b\nRUN --mount=type=bind,from=example.org/c:2 true\nFROM scratch\nFROM one\n";
        let found = bases("Dockerfile", text, &[("DEP".into(), "example.org/dep:abc".into())]).unwrap();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        let expected = ["example.org/a:1", "example.org/b:latest", "example.org/c:2", "example.org/dep:abc"];
        assert_eq!(found, expected);
    }
}
