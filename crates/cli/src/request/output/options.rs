//! The keys that say how an image is written, under BuildKit's names.

use engine::{Annotation, ImageForm};
use layer::Compression;
use oci::Reference;

use super::Fields;
use crate::request::{RequestError, annotation, suggest};

const IMAGE_KEYS: &[&str] = &[
    "annotation.KEY",
    "compression",
    "compression-level",
    "force-compression",
    "name",
    "oci-mediatypes",
    "rewrite-timestamp",
];
const COMPRESSIONS: &[&str] = &["uncompressed", "gzip", "gzip-fast", "zstd"];

/// The keys a type of output knows.
pub(super) fn keys(kind: &str) -> Vec<&'static str> {
    let (own, image): (&[&str], bool) = match kind {
        "image" | "registry" => (&["push", "push-by-digest", "store", "unpack"], true),
        "oci" | "docker" => (&["dest", "tar"], true),
        "local" | "tar" => (&["dest", "platform-split"], false),
        _ => (&[], false),
    };
    let image = if image { IMAGE_KEYS } else { &[] };
    own.iter().chain(image).copied().collect()
}

impl Fields<'_> {
    pub(super) fn form(&mut self) -> Result<ImageForm, RequestError> {
        self.refuse_unsupported()?;
        // What it asks for is always so: no file that a build makes is newer than SOURCE_DATE_EPOCH.
        self.flag("rewrite-timestamp")?;
        Ok(ImageForm {
            oci_media_types: self.flag("oci-mediatypes")?,
            compression: self.compression()?,
            force_compression: self.flag("force-compression")?.unwrap_or_default(),
            annotations: self.annotations()?,
        })
    }

    pub(super) fn names(&mut self) -> Result<Vec<Reference>, RequestError> {
        let text = self.take("name").unwrap_or_default();
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(|name| name.parse().map_err(|e: oci::ReferenceError| self.invalid(e.to_string()))).collect()
    }

    fn compression(&mut self) -> Result<Option<Compression>, RequestError> {
        let kind = self.take("compression");
        let level = self.take("compression-level");
        let level = level.as_deref();
        match kind.as_deref() {
            None if level.is_none() => Ok(None),
            None | Some("gzip") => Ok(Some(Compression::Gzip { level: self.level(level, 9)?.unwrap_or(1) })),
            Some("gzip-fast" | "uncompressed") if level.is_some() => Err(self.invalid("a level for what has none")),
            Some("gzip-fast") => Ok(Some(Compression::FastGzip)),
            // The fastest, as with gzip.
            Some("zstd") => Ok(Some(Compression::Zstd { level: self.level(level, 22)?.unwrap_or(1) })),
            Some("uncompressed") => Ok(Some(Compression::None)),
            Some("estargz") => {
                Err(self.unsupported("compression=estargz", "lazily pulled layers are not made", "use gzip or zstd"))
            }
            Some(other) => {
                let reason = format!("unknown compression {other:?}");
                Err(self.invalid(reason).or_hint(suggest::hint(other, COMPRESSIONS)))
            }
        }
    }

    /// A level from 1; BuildKit's 0 is no compression for gzip and the default for zstd.
    fn level<N: TryFrom<u8>>(&self, text: Option<&str>, most: u8) -> Result<Option<N>, RequestError> {
        let Some(text) = text else { return Ok(None) };
        let level = text.parse().ok().filter(|level| (1..=most).contains(level));
        let level = level.and_then(|level| N::try_from(level).ok());
        level.map(Some).ok_or_else(|| self.invalid(format!("compression-level is not from 1 to {most}")))
    }

    fn annotations(&mut self) -> Result<Vec<Annotation>, RequestError> {
        let keys = self.take_where(|key| key.starts_with("annotation.") || key.starts_with("annotation-"));
        let parsed = keys.iter().map(|(key, value)| {
            annotation::parse_output_key(key, value)?
                .ok_or_else(|| self.invalid(format!("{key:?} names no annotation")))
        });
        parsed.collect()
    }

    /// BuildKit's keys that we understand and do not do; false where that is what we do anyway.
    fn refuse_unsupported(&mut self) -> Result<(), RequestError> {
        let flags: &[(&str, &str, &str)] = &[
            ("registry.insecure", "which registries are insecure is configured", "see containers-registries.conf(5)"),
            ("prefer-nondist-layers", "foreign layers are refused", "leave it out"),
            ("name-canonical", "the store finds every image by its digest", "leave it out"),
            ("attestation-inline", "attestations are not made yet", "leave it out"),
            ("oci-artifact", "attestations are not made yet", "leave it out"),
            ("danging-name-empty-only", "images without a name are found by digest", "leave it out"),
        ];
        for (key, reason, hint) in flags {
            if self.flag(key)? == Some(true) {
                return Err(self.unsupported(&format!("{key}=true"), reason, hint));
            }
        }
        if self.take("dangling-name-prefix").is_some() {
            let reason = "images without a name are found by digest";
            return Err(self.unsupported("dangling-name-prefix=", reason, "leave it out"));
        }
        if self.take("source-date-epoch").is_some() {
            let reason = "one build has one clock";
            return Err(self.unsupported("source-date-epoch=", reason, "set --build-arg SOURCE_DATE_EPOCH=SECONDS"));
        }
        Ok(())
    }
}
