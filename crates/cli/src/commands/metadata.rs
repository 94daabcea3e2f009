//! What a build tells scripts: `--iidfile`, `--metadata-file`, and people: the closing line.

use engine::BuildReport;
use oci::Reference;
use serde_json::{Map, Value, json};

/// The image's id as buildx has it: the digest of the configuration of an image for one platform,
/// that of the index otherwise.
pub(super) fn image_id(built: &BuildReport) -> Option<String> {
    let image = built.image.as_ref().map(|image| &image.digest);
    built.config.as_ref().or(image).map(ToString::to_string)
}

/// The metadata of a build, as a document.
pub(super) fn of(built: &BuildReport) -> String {
    format!("{:#}\n", value(built))
}

/// The metadata under buildx's keys, and the digests of the bases under ours.
pub(super) fn value(built: &BuildReport) -> Value {
    let mut metadata = Map::new();
    if let Some(config) = &built.config {
        metadata.insert("containerimage.config.digest".into(), json!(config));
    }
    if let Some(image) = &built.image {
        metadata.insert("containerimage.descriptor".into(), json!(image));
        metadata.insert("containerimage.digest".into(), json!(image.digest));
    }
    if !built.names.is_empty() {
        metadata.insert("image.name".into(), names(built, Reference::to_string, ",").into());
    }
    if !built.bases.is_empty() {
        metadata.insert("shipsmith.bases".into(), json!(built.bases));
    }
    metadata.into()
}

/// What was built and what it is called, and how much there was to warn of.
pub(super) fn summary(built: &BuildReport) -> String {
    let image = built.image.as_ref().map_or_else(String::new, |image| match built.names.is_empty() {
        true => format!("built {}\n", image.digest),
        false => format!("built {}\n  as {}\n", image.digest, names(built, Reference::familiar, "\n  as ")),
    });
    format!("{image}{}", warnings(built.warnings))
}

/// BuildKit's closing line; `--check` explains each.
fn warnings(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "1 warning found (--check explains it)\n".to_owned(),
        several => format!("{several} warnings found (--check explains them)\n"),
    }
}

fn names(built: &BuildReport, written: impl Fn(&Reference) -> String, separator: &str) -> String {
    built.names.iter().map(written).collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use oci::{Descriptor, Digest, MediaType};

    use super::*;

    fn built() -> BuildReport {
        BuildReport {
            image: Some(Descriptor::of(MediaType::OCI_MANIFEST, b"manifest")),
            config: Some(Digest::of(b"config")),
            names: vec!["a:1".parse().unwrap(), "example.org/b:2".parse().unwrap()],
            bases: [("debian".to_owned(), Digest::of(b"debian"))].into(),
            ..BuildReport::default()
        }
    }

    #[test]
    fn metadata_has_buildxs_keys() {
        let value: Value = serde_json::from_str(&of(&built())).unwrap();
        assert_eq!(value["containerimage.digest"], json!(Digest::of(b"manifest")));
        assert_eq!(value["containerimage.config.digest"], json!(Digest::of(b"config")));
        assert_eq!(value["containerimage.descriptor"]["size"], 8);
        assert_eq!(value["image.name"], "docker.io/library/a:1,example.org/b:2");
        assert_eq!(value["shipsmith.bases"]["debian"], json!(Digest::of(b"debian")));
    }

    #[test]
    fn the_id_is_the_configs_digest_where_there_is_one() {
        assert_eq!(image_id(&built()), Some(Digest::of(b"config").to_string()));
        let index = BuildReport { config: None, ..built() };
        assert_eq!(image_id(&index), Some(Digest::of(b"manifest").to_string()));
        assert_eq!(image_id(&BuildReport::default()), None);
    }

    #[test]
    fn the_summary_names_every_name() {
        let digest = Digest::of(b"manifest");
        assert_eq!(summary(&built()), format!("built {digest}\n  as a:1\n  as example.org/b:2\n"));
        assert_eq!(summary(&BuildReport::default()), "");
        let shown = |warnings| summary(&BuildReport { warnings, ..BuildReport::default() });
        assert_eq!(shown(1), "1 warning found (--check explains it)\n");
        assert_eq!(shown(2), "2 warnings found (--check explains them)\n");
    }
}
