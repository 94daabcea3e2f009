//! Docker's `config.json` and podman's `auth.json`, read and written.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Credential;
use super::credential::encode;
use super::name;
use crate::error::Cause;
use crate::secret::Secret;

/// The fields of the format that matter here.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuthFile {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default)]
    creds_store: String,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl AuthFile {
    /// Reads the file; an absent one is empty.
    pub(crate) fn read(path: &Path) -> Result<Self, Cause> {
        match read(path)? {
            // The text holds secrets, so the error must not quote it.
            Some(text) => serde_json::from_str(&text).map_err(|error| {
                bad(path, format!("it is not valid (line {}, column {})", error.line(), error.column()))
            }),
            None => Ok(Self::default()),
        }
    }

    /// The name of the helper that keeps the credentials of `host`.
    pub(crate) fn helper(&self, host: &str) -> Option<&str> {
        let special = self.cred_helpers.iter().find(|(key, _)| name::names_host(key, host));
        let store = Some(self.creds_store.as_str()).filter(|store| !store.is_empty());
        special.map(|(_, helper)| helper.as_str()).or(store)
    }

    /// The entry for `host/path` with the longest key that names it.
    pub(crate) fn credential(&self, host: &str, path: &str) -> Option<Credential> {
        let fitting = self.auths.iter().filter_map(|(key, entry)| {
            let length = name::covers(key, host, path)?;
            Some((length, entry.credential()?))
        });
        fitting.max_by_key(|(length, _)| *length).map(|(_, credential)| credential)
    }
}

impl Entry {
    fn credential(&self) -> Option<Credential> {
        let secret = |text: &str| (!text.is_empty()).then(|| Secret::new(text));
        if let Some(token) = secret(&self.registrytoken) {
            return Some(Credential::RegistryToken(token));
        }
        if let Some(token) = secret(&self.identitytoken) {
            return Some(Credential::IdentityToken(token));
        }
        if !self.username.is_empty() {
            return Some(Credential::from_pair(self.username.clone(), Secret::new(self.password.as_str())));
        }
        Credential::from_encoded(&self.auth)
    }
}

/// Writes an entry into `auths` as docker does, keeping everything else; without `password` an empty one, which tells
/// that a helper has it.
pub(crate) fn remember(path: &Path, host: &str, login: Option<(&str, &Secret)>) -> Result<(), Cause> {
    let mut root = read_object(path)?;
    let entry = match login {
        Some((username, password)) => json!({ "auth": encode(username, password).reveal() }),
        None => json!({}),
    };
    let auths = root.entry("auths").or_insert_with(|| json!({}));
    let auths = auths.as_object_mut().ok_or_else(|| bad(path, "\"auths\" is not an object".into()))?;
    auths.insert(name::docker_key(host), entry);
    write(path, &root)
}

/// Removes every entry of `auths` that names the host itself; whether there was one.
pub(crate) fn forget(path: &Path, host: &str) -> Result<bool, Cause> {
    let mut root = read_object(path)?;
    let Some(auths) = root.get_mut("auths").and_then(Value::as_object_mut) else { return Ok(false) };
    let before = auths.len();
    auths.retain(|key, _| !name::names_host(key, host));
    let removed = auths.len() < before;
    if removed {
        write(path, &root)?;
    }
    Ok(removed)
}

fn read_object(path: &Path) -> Result<Map<String, Value>, Cause> {
    let Some(text) = read(path)? else { return Ok(Map::new()) };
    serde_json::from_str(&text).map_err(|_| bad(path, "it is not a JSON object".into()))
}

fn read(path: &Path) -> Result<Option<String>, Cause> {
    match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(bad(path, error.to_string())),
    }
}

/// Replaces the file in one step; only its owner may read it. A link is followed, as people keep such files elsewhere.
fn write(path: &Path, root: &Map<String, Value>) -> Result<(), Cause> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    replace(&target, root).map_err(|error| bad(path, error.to_string()))
}

fn replace(path: &Path, root: &Map<String, Value>) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let aside = aside(path);
    let _ = fs::remove_file(&aside);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    let mut text = serde_json::to_vec_pretty(root)?;
    text.push(b'\n');
    let written = file.write_all(&text).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&aside, path));
    written.inspect_err(|_| drop(fs::remove_file(&aside)))
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    path.with_file_name(name)
}

fn bad(path: &Path, problem: String) -> Cause {
    Cause::File { path: path.to_owned(), problem }
}
