//! Reading an OCI layout: blobs, manifests, configurations.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::tree::Tree;
use super::{CanonicalError, CanonicalImage, HistoryEntry};

/// The fields of `config` that a runtime or a later build looks at.
const RUNTIME_FIELDS: [&str; 13] = [
    "ArgsEscaped",
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "Labels",
    "OnBuild",
    "Shell",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
];

/// The fields beside `config` that describe the image.
const IMAGE_FIELDS: [&str; 4] = ["architecture", "author", "os", "variant"];

/// An OCI layout, in a directory or in a tar file.
pub(super) enum Layout {
    Directory(PathBuf),
    Archive(BTreeMap<String, Vec<u8>>),
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
    /// `null` in BuildKit's images without a layer.
    layers: Option<Vec<Descriptor>>,
}

/// An image in the list that `docker save` writes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct ImageConfig {
    #[serde(default)]
    config: Option<BTreeMap<String, Value>>,
    rootfs: RootFs,
    #[serde(default)]
    history: Option<Vec<HistoryRecord>>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct HistoryRecord {
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    empty_layer: bool,
    #[serde(default)]
    comment: String,
}

impl Layout {
    pub(super) fn open(path: &Path) -> Result<Self, CanonicalError> {
        if path.is_dir() {
            return Ok(Self::Directory(path.to_owned()));
        }
        let failed = |source| CanonicalError::Io { path: path.to_owned(), source };
        let file = fs::File::open(path).map_err(failed)?;
        Ok(Self::Archive(read_archive(file).map_err(failed)?))
    }

    /// Every image below `root`, or below `index.json` when there is no root.
    pub(super) fn images(&self, root: Option<&str>) -> Result<BTreeMap<String, CanonicalImage>, CanonicalError> {
        let mut found = BTreeMap::new();
        match root {
            Some(digest) => self.collect(digest, &mut found)?,
            None => self.collect_index(&self.file("index.json")?, &mut found)?,
        }
        found.into_iter().map(|(platform, digest)| Ok((platform, self.image(&digest)?))).collect()
    }

    /// Adds the manifests at or below `digest` to `found` (platform to manifest digest).
    fn collect(&self, digest: &str, found: &mut BTreeMap<String, String>) -> Result<(), CanonicalError> {
        let bytes = self.blob(digest)?;
        let value: Value = parse(&bytes, digest)?;
        if value.get("manifests").is_some() {
            return self.collect_index(&bytes, found);
        }
        let manifest: Manifest = parse(&bytes, digest)?;
        let config: ImageConfig = self.json(&manifest.config.digest)?;
        let platform = config.platform();
        match found.insert(platform.clone(), digest.to_owned()) {
            Some(other) if other != digest => Err(CanonicalError::Ambiguous(platform)),
            _ => Ok(()),
        }
    }

    fn collect_index(&self, bytes: &[u8], found: &mut BTreeMap<String, String>) -> Result<(), CanonicalError> {
        let index: Index = parse(bytes, "the index")?;
        index
            .manifests
            .iter()
            .filter(|m| !m.annotations.contains_key("vnd.docker.reference.type"))
            .try_for_each(|m| self.collect(&m.digest, found))
    }

    fn image(&self, digest: &str) -> Result<CanonicalImage, CanonicalError> {
        let manifest: Manifest = self.json(digest)?;
        let config: ImageConfig = self.json(&manifest.config.digest)?;
        let layers = manifest.layers.unwrap_or_default();
        config.image(layers.len(), |number, _| {
            let digest = layers.get(number).map(|layer| layer.digest.as_str()).unwrap_or_default();
            decompress(self.blob(digest)?).map_err(|source| CanonicalError::Layer { layer: number, source })
        })
    }

    /// The only image of what `docker save` writes: layers uncompressed, each under any name, equal ones perhaps as links.
    pub(super) fn saved(&self) -> Result<CanonicalImage, CanonicalError> {
        let Self::Archive(files) = self else { return Err(CanonicalError::MissingBlob("manifest.json".to_owned())) };
        let [Saved { config, layers }] = parse::<[Saved; 1]>(&self.file("manifest.json")?, "manifest.json")?;
        let config: ImageConfig = parse(&self.file(&config)?, &config)?;
        let tars = files.iter().filter(|(name, _)| name.ends_with(".tar"));
        let tars: BTreeMap<String, &Vec<u8>> = tars.map(|(_, tar)| (format!("sha256:{}", sha256(tar)), tar)).collect();
        config.image(layers.len(), |_, diff_id| {
            tars.get(diff_id).map(|tar| (*tar).clone()).ok_or_else(|| CanonicalError::MissingBlob(diff_id.to_owned()))
        })
    }

    fn json<T: DeserializeOwned>(&self, digest: &str) -> Result<T, CanonicalError> {
        parse(&self.blob(digest)?, digest)
    }

    fn blob(&self, digest: &str) -> Result<Vec<u8>, CanonicalError> {
        let hex = digest
            .strip_prefix("sha256:")
            .filter(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
            .ok_or_else(|| CanonicalError::MissingBlob(digest.to_owned()))?;
        let bytes = self.file(&format!("blobs/sha256/{hex}"))?;
        verify("a blob", digest, &bytes)?;
        Ok(bytes)
    }

    fn file(&self, name: &str) -> Result<Vec<u8>, CanonicalError> {
        match self {
            Self::Directory(root) => {
                let path = root.join(name);
                fs::read(&path).map_err(|source| CanonicalError::Io { path, source })
            }
            Self::Archive(files) => {
                files.get(name).cloned().ok_or_else(|| CanonicalError::MissingBlob(name.to_owned()))
            }
        }
    }
}

impl ImageConfig {
    /// The image of as many layers as its manifest lists, each the tar that `layer` gives for its number and diffID.
    fn image(
        self,
        layers: usize,
        layer: impl Fn(usize, &str) -> Result<Vec<u8>, CanonicalError>,
    ) -> Result<CanonicalImage, CanonicalError> {
        let diff_ids = self.rootfs.diff_ids.clone().unwrap_or_default();
        let history = self.history();
        check_counts(layers, diff_ids.len(), &history)?;
        let mut tree = Tree::default();
        for (number, diff_id) in diff_ids.iter().enumerate() {
            let unpacked = layer(number, diff_id)?;
            verify("a layer's content", diff_id, &unpacked)?;
            tree.apply(number, &unpacked)?;
        }
        Ok(CanonicalImage { config: self.runtime(), history, layers, files: tree.into_files() })
    }

    fn platform(&self) -> String {
        ["os", "architecture", "variant"]
            .iter()
            .filter_map(|field| self.rest.get(*field)?.as_str())
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("/")
    }

    fn runtime(&self) -> BTreeMap<String, Value> {
        let runtime = self.config.iter().flatten();
        let runtime = runtime.filter(|(key, _)| RUNTIME_FIELDS.contains(&key.as_str()));
        let image = self.rest.iter();
        let image = image.filter(|(key, _)| IMAGE_FIELDS.contains(&key.as_str()));
        runtime.chain(image).filter_map(|(key, value)| Some((key.clone(), meaningful(value)?))).collect()
    }

    fn history(&self) -> Vec<HistoryEntry> {
        let records = self.history.iter().flatten();
        records
            .map(|record| HistoryEntry {
                created_by: record.created_by.clone(),
                empty_layer: record.empty_layer,
                comment: record.comment.clone(),
            })
            .collect()
    }
}

/// The value with everything left out that means the same as its absence. Objects that are used as
/// sets (`ExposedPorts`, `Volumes`) keep their members.
fn meaningful(value: &Value) -> Option<Value> {
    let empty = match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Number(n) => n.as_u64() == Some(0),
        Value::String(s) => s.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    };
    let mut value = value.clone();
    if let Value::Object(members) = &mut value {
        members.retain(|_, member| member.as_u64() != Some(0));
    }
    value.sort_all_objects();
    (!empty).then_some(value)
}

fn check_counts(layers: usize, diff_ids: usize, history: &[HistoryEntry]) -> Result<(), CanonicalError> {
    let with_layer = history.iter().filter(|entry| !entry.empty_layer).count();
    let history_agrees = history.is_empty() || with_layer == layers;
    if layers == diff_ids && history_agrees {
        return Ok(());
    }
    Err(CanonicalError::Counts { layers, diff_ids, history: with_layer })
}

fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, CanonicalError> {
    serde_json::from_slice(bytes).map_err(|source| CanonicalError::Json { what: what.to_owned(), source })
}

fn verify(what: &'static str, expected: &str, bytes: &[u8]) -> Result<(), CanonicalError> {
    let actual = format!("sha256:{}", sha256(bytes));
    if actual == expected {
        return Ok(());
    }
    Err(CanonicalError::WrongDigest { what, expected: expected.to_owned(), actual })
}

/// The SHA-256 of `bytes` in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hash = digest(&SHA256, bytes);
    hash.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

fn decompress(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    match bytes.as_slice() {
        [0x1f, 0x8b, ..] => {
            flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked)?;
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => unpacked = zstd::decode_all(bytes.as_slice())?,
        _ => return Ok(bytes),
    }
    Ok(unpacked)
}

fn read_archive(file: impl Read) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut archive = tar::Archive::new(file);
    let mut files = BTreeMap::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        files.insert(name, bytes);
    }
    Ok(files)
}
