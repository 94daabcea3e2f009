//! `--attest`, `--sbom` and `--provenance`: what is to be said of an image beside it.

use std::collections::BTreeMap;

use super::{RequestError, csv, suggest};
use crate::args::{BuildArgs, parse_bool};

const KINDS: [&str; 2] = ["provenance", "sbom"];

/// The attestations that are asked for, by kind, with their options; later flags replace earlier ones.
pub(crate) fn attestations(args: &BuildArgs) -> Result<BTreeMap<String, String>, RequestError> {
    let mut asked = BTreeMap::new();
    for text in &args.attests {
        let mut pairs = csv::pairs("--attest", text)?;
        let kind = known_kind(text, &pairs)?;
        pairs.retain(|(key, _)| key != "type");
        ask(&mut asked, "--attest", text, kind, pairs)?;
    }
    for (flag, kind, value) in [("--provenance", "provenance", &args.provenance), ("--sbom", "sbom", &args.sbom)] {
        let Some(text) = value else { continue };
        let pairs = match parse_bool(text) {
            Ok(on) => vec![("disabled".to_owned(), (!on).to_string())],
            Err(_) => csv::pairs(flag, text)?,
        };
        ask(&mut asked, flag, text, kind.to_owned(), pairs)?;
    }
    Ok(asked)
}

fn ask(
    asked: &mut BTreeMap<String, String>,
    flag: &'static str,
    text: &str,
    kind: String,
    pairs: Vec<(String, String)>,
) -> Result<(), RequestError> {
    let (switches, options): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(key, _)| key == "disabled");
    let disabled = switches.last().map(|(_, value)| parse_bool(value)).transpose();
    let disabled = disabled.map_err(|reason| RequestError::invalid(flag, text, reason))?.unwrap_or_default();
    if disabled {
        asked.remove(&kind);
    } else {
        let options: Vec<String> = options.iter().map(|(key, value)| format!("{key}={value}")).collect();
        asked.insert(kind, options.join(","));
    }
    Ok(())
}

fn known_kind(text: &str, pairs: &[(String, String)]) -> Result<String, RequestError> {
    let Some((_, kind)) = pairs.iter().find(|(key, _)| key == "type") else {
        let error = RequestError::invalid("--attest", text, "there is no type= in it");
        return Err(error.or_hint("type=provenance or type=sbom"));
    };
    if KINDS.contains(&kind.as_str()) {
        return Ok(kind.clone());
    }
    let error = RequestError::invalid("--attest", text, format!("unknown attestation {kind:?}"));
    Err(error.or_hint(suggest::hint(kind, &KINDS)))
}
