//! Base images as text: entries and a configuration become an OCI layout, always the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::{Value, json};

use super::entry::{Entry, to_tar};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The time in every base image's configuration.
const CREATED: &str = "2023-11-14T22:13:20Z";

/// A base image: one image, or an index of one image for each platform.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// The images; more than one makes an index.
    pub image: Vec<BaseImage>,
}

/// One image of a base.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseImage {
    /// The platform as `os/arch[/variant]`.
    pub platform: String,
    /// The `config` object of the image configuration, as JSON.
    #[serde(default)]
    pub config: String,
    /// The layers, lowest first.
    #[serde(default)]
    pub layer: Vec<BaseLayer>,
}

/// One layer of a base.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseLayer {
    /// What the history says of it.
    pub created_by: String,
    /// The files.
    pub entries: Vec<Entry>,
}

impl Base {
    /// Writes the base as an OCI layout; `index.json` names the image, or the index of several, once.
    ///
    /// # Errors
    /// When `dir` cannot be written, a name is longer than 100 bytes, or the configuration is not JSON.
    pub fn write_layout(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir.join("blobs/sha256"))?;
        fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        let images = self.image.iter();
        let mut manifests = images.map(|image| image.write(dir)).collect::<io::Result<Vec<_>>>()?;
        if manifests.len() > 1 {
            let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
            manifests = vec![write_json(dir, INDEX, &index)?];
        }
        for manifest in &mut manifests {
            manifest["annotations"] = json!({"org.opencontainers.image.ref.name": "latest"});
        }
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        fs::write(dir.join("index.json"), index.to_string())
    }
}

impl BaseImage {
    fn write(&self, dir: &Path) -> io::Result<Value> {
        let mut layers = Vec::new();
        for layer in &self.layer {
            layers.push(write_blob(dir, LAYER, &to_tar(&layer.entries)?)?);
        }
        let config = write_json(dir, CONFIG, &self.configuration(&layers)?)?;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
        });
        let mut descriptor = write_json(dir, MANIFEST, &manifest)?;
        descriptor["platform"] = json!(self.platform());
        Ok(descriptor)
    }

    fn configuration(&self, layers: &[Value]) -> io::Result<Value> {
        let diff_ids: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
        let history = self.layer.iter();
        let history: Vec<Value> =
            history.map(|layer| json!({"created": CREATED, "created_by": layer.created_by})).collect();
        let mut configuration = json!({
            "created": CREATED,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": history,
        });
        if !self.config.is_empty() {
            configuration["config"] = serde_json::from_str(&self.config)?;
        }
        for (name, value) in self.platform() {
            configuration[name] = json!(value);
        }
        Ok(configuration)
    }

    fn platform(&self) -> BTreeMap<&'static str, &str> {
        let parts = self.platform.split('/');
        ["os", "architecture", "variant"].into_iter().zip(parts).collect()
    }
}

fn write_json(dir: &Path, media_type: &str, value: &Value) -> io::Result<Value> {
    write_blob(dir, media_type, value.to_string().as_bytes())
}

/// Writes a blob and returns its descriptor.
fn write_blob(dir: &Path, media_type: &str, bytes: &[u8]) -> io::Result<Value> {
    let hash = digest(&SHA256, bytes);
    let hex: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    fs::write(dir.join("blobs/sha256").join(&hex), bytes)?;
    Ok(json!({"mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len()}))
}
