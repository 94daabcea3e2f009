//! Writing images as OCI layouts and as archives that Docker and podman load.
//!
//! As BuildKit does it: `type=oci` is an OCI layout in a tar; `type=docker` is the same with Docker's `manifest.json` over it,
//! for one platform. Members are sorted by name and have no times, so the same image gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use oci::{Descriptor, Digest, Hasher, Index, Manifest, Reference, layout};

use crate::archive::docker::DockerImage;
use crate::document::{self, Document};
use crate::error::At;
use crate::place::LayoutMarker;
use crate::tags::unnamed;
use crate::verify::copy_hashed;
use crate::{DOCUMENT_LIMIT, Error, Store};

/// Where blobs to be exported come from; the engine may offer more than the store has.
pub trait BlobSource {
    /// Opens a blob from its beginning. The exporter verifies what it reads.
    ///
    /// # Errors
    /// [`Error::Absent`] when it is not to be had.
    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, Error>;
}

impl BlobSource for Store {
    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, Error> {
        Ok(Box::new(self.open_sized(blob)?))
    }
}

/// An image with the names it is to have in the archive.
#[derive(Debug, Clone)]
pub struct NamedImage {
    /// Its manifest or index.
    pub image: Descriptor,
    /// Its names; none for an image without one.
    pub names: Vec<Reference>,
}

/// The two kinds of archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// An OCI layout: `skopeo`, `podman`, `buildah`, `crane`, containerd, Docker since 25.
    Oci,
    /// The same with `manifest.json`: also every older Docker.
    Docker,
}

/// Writes an archive.
///
/// # Errors
/// When a blob is absent or damaged, when `sink` fails, or when an image has several platforms and the format is
/// [`ArchiveFormat::Docker`].
pub fn export<W: Write>(
    images: &[NamedImage],
    format: ArchiveFormat,
    source: &dyn BlobSource,
    sink: W,
) -> Result<W, Error> {
    let contents = Contents::of(images, source)?;
    let mut members: BTreeMap<String, Member<'_>> = BTreeMap::new();
    for algorithm in contents.blobs.keys().map(Digest::algorithm) {
        members.insert("blobs/".into(), Member::Directory);
        members.insert(format!("blobs/{algorithm}/"), Member::Directory);
    }
    if format == ArchiveFormat::Docker {
        members.insert("manifest.json".into(), Member::Bytes(contents.docker_manifest(images)?));
    }
    members.extend(contents.blobs.values().map(|blob| (layout::blob(&blob.digest), Member::Blob(blob))));
    members.insert("oci-layout".into(), Member::Bytes(LayoutMarker::current()));
    members.insert("index.json".into(), Member::Bytes(to_json(&Index::new(entries(images), false))?));
    write_members(&members, source, sink)
}

/// Writes an OCI layout into a directory (`type=oci,tar=false`). Images that are in it already stay; names move.
///
/// # Errors
/// When a blob is absent or damaged, or the directory cannot be written.
pub fn export_layout(images: &[NamedImage], source: &dyn BlobSource, dir: &Path) -> Result<(), Error> {
    let contents = Contents::of(images, source)?;
    for blob in contents.blobs.values() {
        let parent = dir.join("blobs").join(blob.digest.algorithm());
        fs::create_dir_all(&parent).at("create", &parent)?;
        write_file(&dir.join(layout::blob(&blob.digest)), |file| copy_blob(blob, source, file))?;
    }
    fs::create_dir_all(dir).at("create", dir)?;
    write_file(&dir.join("oci-layout"), |file| put(file, &LayoutMarker::current()))?;
    let path = dir.join("index.json");
    let index = to_json(&merged(&path, entries(images))?)?;
    write_file(&path, |file| put(file, &index))
}

impl Store {
    /// Writes an OCI archive from what the store has.
    ///
    /// # Errors
    /// As [`export`].
    pub fn export_oci<W: Write>(&self, images: &[NamedImage], sink: W) -> Result<W, Error> {
        export(images, ArchiveFormat::Oci, self, sink)
    }

    /// Writes a Docker archive from what the store has.
    ///
    /// # Errors
    /// As [`export`].
    pub fn export_docker<W: Write>(&self, images: &[NamedImage], sink: W) -> Result<W, Error> {
        export(images, ArchiveFormat::Docker, self, sink)
    }
}

/// The images' blobs, and their manifests understood.
#[derive(Default)]
struct Contents {
    blobs: BTreeMap<Digest, Descriptor>,
    indexes: BTreeMap<Digest, Index>,
    manifests: BTreeMap<Digest, Manifest>,
}

impl Contents {
    fn of(images: &[NamedImage], source: &dyn BlobSource) -> Result<Self, Error> {
        let mut contents = Self::default();
        let mut open: Vec<Descriptor> = images.iter().map(|image| image.image.clone()).collect();
        while let Some(descriptor) = open.pop() {
            if contents.blobs.contains_key(&descriptor.digest) {
                continue;
            }
            match document::image(&descriptor.digest, &read(&descriptor, source)?)? {
                Document::Index(index) => {
                    open.extend(index.manifests.iter().cloned());
                    contents.indexes.insert(descriptor.digest.clone(), index);
                }
                Document::Manifest(manifest) => {
                    contents.add(&manifest.config);
                    manifest.layers.iter().for_each(|layer| contents.add(layer));
                    contents.manifests.insert(descriptor.digest.clone(), *manifest);
                }
            }
            contents.add(&descriptor);
        }
        Ok(contents)
    }

    fn add(&mut self, blob: &Descriptor) {
        self.blobs.entry(blob.digest.clone()).or_insert_with(|| blob.clone());
    }

    /// Docker's `manifest.json`; paths lead to the layout's blobs, as BuildKit writes it.
    fn docker_manifest(&self, images: &[NamedImage]) -> Result<Vec<u8>, Error> {
        let mut entries = Vec::new();
        for NamedImage { image, names } in images {
            let manifest = self.single_platform(image)?;
            let tags: Vec<String> = names.iter().map(|name| name.clone().or_latest().familiar()).collect();
            entries.push(DockerImage {
                config: layout::blob(&manifest.config.digest),
                repo_tags: (!tags.is_empty()).then_some(tags),
                layers: manifest.layers.iter().map(|layer| layout::blob(&layer.digest)).collect(),
            });
        }
        to_json(&entries)
    }

    /// The one manifest that is an image; Docker's archives know no platforms.
    fn single_platform(&self, image: &Descriptor) -> Result<&Manifest, Error> {
        let fail = |reason: &str| Error::Export { digest: image.digest.clone(), reason: reason.into() };
        let manifest = match self.indexes.get(&image.digest) {
            None => &image.digest,
            Some(index) => {
                let mut images = index.manifests.iter().filter(|entry| !entry.is_attestation());
                match (images.next(), images.next()) {
                    (Some(only), None) => &only.digest,
                    _ => return Err(fail("a docker archive holds one platform; use type=oci for several")),
                }
            }
        };
        self.manifests.get(manifest).ok_or_else(|| fail("it is an index of indexes"))
    }
}

/// The entries of an archive's `index.json`: one per name, or one without.
fn entries(images: &[NamedImage]) -> Vec<Descriptor> {
    let entry = |NamedImage { image, names }: &NamedImage| match names.as_slice() {
        [] => vec![unnamed(image)],
        names => names.iter().map(|name| entry(image, name)).collect(),
    };
    images.iter().flat_map(entry).collect()
}

/// Tools that know one repository per layout look for the tag alone; containerd and Docker read the full name.
fn entry(image: &Descriptor, name: &Reference) -> Descriptor {
    let name = name.clone().or_latest();
    let mut entry = image.clone();
    entry.annotations.insert(layout::REF_NAME.into(), name.tag().unwrap_or_else(|| name.object()).to_owned());
    entry.annotations.insert(layout::IMAGE_NAME.into(), name.to_string());
    entry
}

/// The index at `path`, if there is one, with `entries` added; a name moves to its new image.
fn merged(path: &Path, entries: Vec<Descriptor>) -> Result<Index, Error> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Index::new(entries, false)),
        Err(error) => return Err(error).at("read", path),
    };
    let mut index: Index =
        serde_json::from_slice(&bytes).map_err(|error| Error::malformed(path.display().to_string(), error))?;
    let names: BTreeSet<_> = entries.iter().filter_map(|entry| entry.annotations.get(layout::REF_NAME)).collect();
    index.manifests.retain(|old| {
        old.annotations.get(layout::REF_NAME).map_or(!entries.contains(old), |name| !names.contains(name))
    });
    index.manifests.extend(entries);
    Ok(index)
}

/// A member of the archive.
enum Member<'a> {
    Directory,
    Bytes(Vec<u8>),
    Blob(&'a Descriptor),
}

impl Member<'_> {
    fn header(&self, name: &str) -> Result<tar::Header, Error> {
        let (kind, mode, size) = match self {
            Self::Directory => (tar::EntryType::Directory, 0o755, 0),
            Self::Bytes(bytes) => (tar::EntryType::Regular, 0o644, bytes.len() as u64),
            Self::Blob(blob) => (tar::EntryType::Regular, 0o444, blob.size),
        };
        let mut header = tar::Header::new_ustar();
        header.set_path(name).at("name", Path::new(name))?;
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        for set in [tar::Header::set_uid, tar::Header::set_gid, tar::Header::set_mtime] {
            set(&mut header, 0);
        }
        header.set_cksum();
        Ok(header)
    }

    fn size(&self) -> u64 {
        match self {
            Self::Directory => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Blob(blob) => blob.size,
        }
    }
}

fn write_members<W: Write>(
    members: &BTreeMap<String, Member<'_>>,
    source: &dyn BlobSource,
    mut sink: W,
) -> Result<W, Error> {
    for (name, member) in members {
        put(&mut sink, member.header(name)?.as_bytes())?;
        match member {
            Member::Directory => {}
            Member::Bytes(bytes) => put(&mut sink, bytes)?,
            Member::Blob(blob) => copy_blob(blob, source, &mut sink)?,
        }
        let padding = member.size().wrapping_neg() % 512;
        put(&mut sink, [0; 512].get(..usize::try_from(padding).unwrap_or(0)).unwrap_or_default())?;
    }
    put(&mut sink, &[0; 1024])?;
    sink.flush().at("write", Path::new("the archive"))?;
    Ok(sink)
}

fn put(sink: &mut dyn Write, bytes: &[u8]) -> Result<(), Error> {
    sink.write_all(bytes).at("write", Path::new("the archive"))
}

/// Copies a blob; what is not what its digest says fails, at the latest at its end.
fn copy_blob(blob: &Descriptor, source: &dyn BlobSource, sink: &mut dyn Write) -> Result<(), Error> {
    let mut hasher = Hasher::new();
    let mut limited = source.open(blob)?.take(blob.size.saturating_add(1));
    let size = copy_hashed(&mut limited, sink, &mut hasher).at("write", Path::new("the archive"))?;
    let found = hasher.finish();
    if size != blob.size || found != blob.digest {
        let reason = format!("its content has {size} bytes and the digest {found}");
        return Err(Error::Damaged { digest: blob.digest.clone(), reason });
    }
    Ok(())
}

fn read(document: &Descriptor, source: &dyn BlobSource) -> Result<Vec<u8>, Error> {
    if document.size > DOCUMENT_LIMIT {
        let (digest, size) = (document.digest.clone(), document.size);
        return Err(Error::TooLarge { digest, size, limit: DOCUMENT_LIMIT });
    }
    let mut bytes = Vec::new();
    copy_blob(document, source, &mut bytes)?;
    Ok(bytes)
}

/// Writes a file of a layout, whole or not at all.
fn write_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<(), Error>) -> Result<(), Error> {
    let dir = path.parent().unwrap_or(path);
    let mut temp = tempfile::Builder::new().permissions(readable()).tempfile_in(dir).at("create a file in", dir)?;
    write(temp.as_file_mut())?;
    temp.persist(path).map_err(|error| error.error).at("rename to", path)?;
    Ok(())
}

/// For others to read, unlike a temporary file.
fn readable() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::malformed("what is to be exported", error))
}
