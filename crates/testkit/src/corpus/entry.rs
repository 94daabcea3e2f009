//! Entries: files as a line of TOML, for what a version control system cannot store.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};
use serde::Deserialize;

/// The modification time of every entry in a tar archive, in seconds since 1970.
const MODIFIED: u64 = 1_700_000_000;

/// One file of a context, a base layer or an archive.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The path, relative to the root; taken literally in an archive.
    pub path: String,
    /// What the entry is; a regular file if nothing is said.
    #[serde(default, rename = "type")]
    pub kind: EntryKind,
    /// The mode; without one 0755 for a directory and 0644 for all else.
    pub mode: Option<u32>,
    /// The owner, in a base layer or an archive.
    #[serde(default)]
    pub uid: u64,
    /// The group, in a base layer or an archive.
    #[serde(default)]
    pub gid: u64,
    /// The content of a regular file.
    #[serde(default)]
    pub content: String,
    /// A file of this machine that the content is read from; expectations name it instead of its hash.
    pub host: Option<PathBuf>,
    /// The target of a symbolic or hard link.
    #[serde(default)]
    pub link: String,
    /// Major and minor number of a device, in a base layer or an archive.
    pub device: Option<(u32, u32)>,
    /// Extended attributes.
    #[serde(default)]
    pub xattrs: BTreeMap<String, String>,
    /// What an archive holds.
    #[serde(default)]
    pub entries: Vec<Entry>,
}

/// The types of entries. Those from `tar` on are regular files that hold an archive of `entries`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum EntryKind {
    #[default]
    File,
    Dir,
    Symlink,
    Hardlink,
    Fifo,
    Char,
    Block,
    Contiguous,
    Tar,
    TarGzip,
    TarBzip2,
    TarXz,
    TarZstd,
}

impl Entry {
    /// A regular file with mode 0644.
    #[must_use]
    pub fn file(path: &str, content: &str) -> Self {
        Self {
            path: path.to_owned(),
            kind: EntryKind::File,
            mode: None,
            uid: 0,
            gid: 0,
            content: content.to_owned(),
            host: None,
            link: String::new(),
            device: None,
            xattrs: BTreeMap::new(),
            entries: Vec::new(),
        }
    }

    fn mode(&self) -> u32 {
        let default = if self.kind == EntryKind::Dir { 0o755 } else { 0o644 };
        self.mode.unwrap_or(default)
    }

    /// The bytes of a regular file.
    pub(super) fn bytes(&self) -> io::Result<Vec<u8>> {
        let plain = || to_tar(&self.entries);
        match self.kind {
            EntryKind::Tar => plain(),
            EntryKind::TarGzip => {
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                gzip.write_all(&plain()?)?;
                gzip.finish()
            }
            EntryKind::TarBzip2 => {
                let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                bzip2.write_all(&plain()?)?;
                bzip2.finish()
            }
            EntryKind::TarXz => {
                let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
                xz.write_all(&plain()?)?;
                xz.finish()
            }
            EntryKind::TarZstd => zstd::encode_all(plain()?.as_slice(), 1),
            _ => match &self.host {
                Some(path) => read_host(path),
                None => Ok(self.content.clone().into_bytes()),
            },
        }
    }

    fn write(&self, root: &Path) -> io::Result<()> {
        let path = root.join(&self.path);
        if let Some(parent) = path.parent() {
            make_directory(parent)?;
        }
        match self.kind {
            EntryKind::Dir => make_directory(&path)?,
            EntryKind::Symlink => return symlink(&self.link, &path),
            EntryKind::Hardlink => return fs::hard_link(root.join(&self.link), &path),
            EntryKind::Fifo => mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0)?,
            EntryKind::Char | EntryKind::Block | EntryKind::Contiguous => {
                return Err(io::Error::other("a context on disk cannot hold that"));
            }
            _ => fs::write(&path, self.bytes()?)?,
        }
        for (name, value) in &self.xattrs {
            setxattr(&path, name.as_str(), value.as_bytes(), XattrFlags::empty())?;
        }
        fs::set_permissions(&path, Permissions::from_mode(self.mode()))
    }

    fn append(&self, archive: &mut tar::Builder<Vec<u8>>) -> io::Result<()> {
        let bytes = self.bytes()?;
        let bytes = if self.is_regular() { bytes.as_slice() } else { &[] };
        let records = self.xattrs.iter();
        let records = records.map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.as_bytes()));
        let records: Vec<(String, &[u8])> = records.collect();
        archive.append_pax_extensions(records.iter().map(|(name, value)| (name.as_str(), *value)))?;
        archive.append(&self.header(bytes.len() as u64)?, bytes)
    }

    fn header(&self, size: u64) -> io::Result<tar::Header> {
        let mut header = tar::Header::new_ustar();
        put(&mut header.as_old_mut().name, &self.path)?;
        put(&mut header.as_old_mut().linkname, &self.link)?;
        header.set_entry_type(self.entry_type());
        header.set_mode(self.mode());
        header.set_uid(self.uid);
        header.set_gid(self.gid);
        header.set_mtime(MODIFIED);
        header.set_size(size);
        if let Some((major, minor)) = self.device {
            header.set_device_major(major)?;
            header.set_device_minor(minor)?;
        }
        header.set_cksum();
        Ok(header)
    }

    fn entry_type(&self) -> tar::EntryType {
        match self.kind {
            EntryKind::Dir => tar::EntryType::Directory,
            EntryKind::Symlink => tar::EntryType::Symlink,
            EntryKind::Hardlink => tar::EntryType::Link,
            EntryKind::Fifo => tar::EntryType::Fifo,
            EntryKind::Char => tar::EntryType::Char,
            EntryKind::Block => tar::EntryType::Block,
            EntryKind::Contiguous => tar::EntryType::Continuous,
            _ => tar::EntryType::Regular,
        }
    }

    fn is_regular(&self) -> bool {
        self.entry_type() == tar::EntryType::Regular
    }
}

/// Reads a file of this machine that entries take their content from.
pub(super) fn read_host(path: &Path) -> io::Result<Vec<u8>> {
    let missing = |error: io::Error| {
        let message = format!("{} of this machine: {error} (Debian's package busybox-static has it)", path.display());
        io::Error::new(error.kind(), message)
    };
    fs::read(path).map_err(missing)
}

/// Makes a directory and its missing parents with mode 0755, whatever the umask.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_directory(parent)?;
    }
    fs::create_dir(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
}

/// Writes entries below `root`, which exists.
pub(super) fn to_directory(entries: &[Entry], root: &Path) -> io::Result<()> {
    for entry in entries {
        let path = &entry.path;
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{path}: {error}"));
        entry.write(root).map_err(named)?;
    }
    Ok(())
}

/// Writes entries as an uncompressed tar archive, the same bytes for the same entries.
pub(super) fn to_tar(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        entry.append(&mut archive)?;
    }
    archive.into_inner()
}

/// Fills a field of a header literally: corpus archives may hold names no writer would accept.
fn put(field: &mut [u8; 100], text: &str) -> io::Result<()> {
    let room = field.get_mut(..text.len());
    let room = room.ok_or_else(|| io::Error::other(format!("{text} is longer than 100 bytes")))?;
    room.copy_from_slice(text.as_bytes());
    Ok(())
}
