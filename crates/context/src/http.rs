//! Files fetched over http: `ADD https://...` and contexts given as a URL.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use layer::{Entry, EntryKind, Timestamp};
use oci::{Digest, Hasher};
use reqwest::{Client, Response};
use rootfs::TreePath;
use url::Url;

use crate::file::HeldFile;
use crate::{Error, Mapped};

/// The name BuildKit gives a download whose URL names no file.
const UNNAMED: &str = "__unnamed__";

/// A fetched file: an unnamed temporary one, gone when this is.
pub struct Download {
    /// Where it was asked for, without credentials.
    pub url: String,
    /// How many bytes came.
    pub size: u64,
    /// Of those bytes.
    pub digest: Digest,
    /// The server's `Last-Modified`; the epoch without one, as BuildKit has it.
    pub modified: Timestamp,
    file: Arc<File>,
}

/// Whether `text` is an http or https URL, as BuildKit recognises them.
#[must_use]
pub fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// The file name `ADD` gives what it fetches from `url`: the last component of its path. BuildKit's Dockerfile
/// frontend looks at the URL alone, never at `Content-Disposition`, so that a name is known before anything is fetched.
#[must_use]
pub fn file_name(url: &Url) -> String {
    let path = percent_decoded(url.path());
    let base = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    match base {
        "" | "." => UNNAMED.to_owned(),
        base => safe_name(base),
    }
}

/// What BuildKit keeps of a file name: "download" in place of one that is no name.
fn safe_name(name: &str) -> String {
    let name = name.trim();
    if matches!(name, "" | "." | "..") || name.chars().any(char::is_control) {
        return "download".to_owned();
    }
    name.to_owned()
}

fn percent_decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..2).filter(|_| first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let code = code.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Fetches `url` into a temporary file in `scratch`, following redirects as `client` allows.
///
/// # Errors
/// When the server cannot be reached, answers anything but success, breaks off, or sent bytes that differ from `checksum`.
pub async fn fetch(client: &Client, url: &Url, checksum: Option<&Digest>, scratch: &Path) -> Result<Download, Error> {
    let shown = shown(url);
    if let Some(digest) = checksum.filter(|digest| digest.algorithm() != "sha256") {
        return Err(Error::ChecksumAlgorithm { digest: digest.clone() });
    }
    let failed = |source: reqwest::Error| Error::Http { url: shown.clone(), source: source.without_url() };
    let response = client.get(url.clone()).send().await.map_err(failed)?;
    if !response.status().is_success() {
        return Err(Error::Status { url: shown, status: response.status() });
    }
    let modified = last_modified(&response);
    let (file, size, digest) = save(response, &shown, scratch).await?;
    match checksum {
        Some(expected) if *expected != digest => {
            Err(Error::Checksum { from: shown, expected: expected.to_string(), actual: digest.to_string() })
        }
        _ => Ok(Download { url: shown, size, digest, modified, file: Arc::new(file) }),
    }
}

async fn save(mut response: Response, url: &str, scratch: &Path) -> Result<(File, u64, Digest), Error> {
    let mut file = tempfile::tempfile_in(scratch).map_err(|source| Error::scratch(scratch, source))?;
    let (mut hasher, mut size) = (Hasher::new(), 0_u64);
    let failed = |source: reqwest::Error| Error::Http { url: url.to_owned(), source: source.without_url() };
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        hasher.update(&chunk);
        size += chunk.len() as u64;
        file.write_all(&chunk).map_err(|source| Error::scratch(scratch, source))?;
    }
    Ok((file, size, hasher.finish()))
}

fn last_modified(response: &Response) -> Timestamp {
    let header = response.headers().get(reqwest::header::LAST_MODIFIED);
    let time = header.and_then(|value| value.to_str().ok()).and_then(|text| httpdate::parse_http_date(text).ok());
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let seconds = since.and_then(|since| i64::try_from(since.as_secs()).ok());
    seconds.map_or(Timestamp::EPOCH, Timestamp::from_seconds)
}

/// A URL fit for logs and errors: without user and password.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // A URL that cannot carry credentials refuses, and has none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

impl Download {
    /// Reads from the first byte.
    #[must_use]
    pub fn reader(&self) -> impl Read + Send + use<> {
        HeldFile::new(Arc::clone(&self.file), 0, self.size).reader()
    }

    /// The tree that `ADD` copies from: this one file, mode 0600, owned by root.
    ///
    /// # Errors
    /// When `name` is no file name.
    pub fn into_tree(self, name: &str) -> Result<Mapped, Error> {
        let path = TreePath::root().join(name)?;
        let mut entry = Entry::new(path, EntryKind::File { size: self.size }, 0o600);
        entry.mtime = self.modified;
        let mut tree = Mapped::new();
        tree.insert(entry, Some(Arc::new(HeldFile::new(self.file, 0, self.size))))?;
        Ok(tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_path_of_the_url() {
        for (url, name) in [
            ("https://host/a/b.tar.gz?x=y/z#frag", "b.tar.gz"),
            ("https://host/a/b/", "b"),
            ("https://host/", UNNAMED),
            ("https://host", UNNAMED),
            ("https://host/with%20space", "with space"),
            ("https://host/a%2Fb", "b"),
            ("https://host/a%00b", "download"),
            ("https://host/100%", "100%"),
        ] {
            assert_eq!(file_name(&Url::parse(url).expect("a URL")), name, "{url}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let url = Url::parse("https://user:secret@host/x").expect("a URL");
        assert_eq!(shown(&url), "https://host/x");
    }
}
