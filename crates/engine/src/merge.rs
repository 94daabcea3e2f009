//! Indexes put together: what one machine made, what another did, what a registry has.

use std::collections::BTreeSet;

use oci::{Descriptor, Index, Platform};

/// What an attestation is about: the digest of an image in the same index.
const ABOUT: &str = "vnd.docker.reference.digest";

/// `index` with `entries` in it: one image for each platform, attestations of images that are in it, and no others.
/// When nothing changes, the index is the one given; otherwise its order does not depend on who came first.
///
/// # Errors
/// The platform, when an entry would take the place of another image and `replace` does not allow that.
pub fn merge(index: Option<&Index>, entries: &[Descriptor], replace: bool) -> Result<Index, Platform> {
    let mut merged = index.map(|index| index.manifests.clone()).unwrap_or_default();
    for entry in entries {
        if merged.iter().all(|other| other.digest != entry.digest) {
            add(&mut merged, entry, replace)?;
        }
    }
    drop_dangling(&mut merged);
    match index {
        Some(index) if index.manifests == merged => Ok(index.clone()),
        _ => {
            merged.sort_by_key(place);
            Ok(with(index, merged))
        }
    }
}

fn add(merged: &mut Vec<Descriptor>, entry: &Descriptor, replace: bool) -> Result<(), Platform> {
    let same = |other: &Descriptor, platform| image_platform(other).is_some_and(|theirs| theirs.serves(platform));
    let taken = image_platform(entry)
        .and_then(|platform| Some((platform, merged.iter().position(|other| same(other, platform))?)));
    match taken {
        Some((platform, _)) if !replace => return Err(platform.clone()),
        Some((_, at)) => merged[at] = entry.clone(),
        None => merged.push(entry.clone()),
    }
    Ok(())
}

/// The platform of an entry that is an image.
pub(crate) fn image_platform(entry: &Descriptor) -> Option<&Platform> {
    entry.platform.as_ref().filter(|_| !entry.is_attestation() && !entry.annotations.contains_key(ABOUT))
}

fn drop_dangling(merged: &mut Vec<Descriptor>) {
    let images: BTreeSet<String> = merged
        .iter()
        .filter(|entry| !entry.annotations.contains_key(ABOUT))
        .map(|entry| entry.digest.to_string())
        .collect();
    merged.retain(|entry| entry.annotations.get(ABOUT).is_none_or(|about| images.contains(about)));
}

/// Images by platform, then what is about them.
fn place(entry: &Descriptor) -> (bool, String, String) {
    let platform = entry.platform.as_ref().map(ToString::to_string).unwrap_or_default();
    match entry.annotations.get(ABOUT) {
        Some(about) => (true, about.clone(), entry.digest.to_string()),
        None => (false, platform, entry.digest.to_string()),
    }
}

/// Docker's own list may hold Docker's own manifests only.
fn with(index: Option<&Index>, manifests: Vec<Descriptor>) -> Index {
    let docker = index.is_some_and(|index| index.media_type.as_ref().is_some_and(oci::MediaType::is_docker));
    let docker = docker && manifests.iter().all(|entry| entry.media_type.is_docker());
    let new = Index::new(manifests, docker);
    match index {
        Some(index) => Index { manifests: new.manifests, media_type: new.media_type, ..index.clone() },
        None => new,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]
mod tests {
    use oci::{Digest, MediaType};

    use super::*;

    fn image(platform: &str, content: &str) -> Descriptor {
        let platform = Some(platform.parse().expect("a platform"));
        Descriptor { platform, ..Descriptor::of(MediaType::OCI_MANIFEST, content.as_bytes()) }
    }

    fn attestation(about: &Descriptor, content: &str) -> Descriptor {
        let unknown = Platform { os: "unknown".into(), architecture: "unknown".into(), ..Platform::host() };
        let mut entry = Descriptor { platform: Some(unknown), ..image("linux/amd64", content) };
        entry.annotations.insert("vnd.docker.reference.type".into(), "attestation-manifest".into());
        entry.annotations.insert(ABOUT.into(), about.digest.to_string());
        entry
    }

    fn digests(index: &Index) -> Vec<Digest> {
        index.manifests.iter().map(|entry| entry.digest.clone()).collect()
    }

    #[test]
    fn platforms_are_added_and_the_order_is_always_the_same() {
        let (amd, arm) = (image("linux/amd64", "amd"), image("linux/arm64", "arm"));
        let one =
            merge(Some(&merge(None, std::slice::from_ref(&amd), false).unwrap()), std::slice::from_ref(&arm), false);
        let other = merge(Some(&merge(None, std::slice::from_ref(&arm), false).unwrap()), &[amd], false);
        assert_eq!(one, other);
        assert_eq!(one.unwrap().manifests.len(), 2);
    }

    #[test]
    fn another_image_for_a_platform_needs_leave() {
        let (old, new) = (image("linux/amd64", "old"), image("linux/amd64", "new"));
        let index = merge(None, std::slice::from_ref(&old), false).unwrap();
        assert_eq!(merge(Some(&index), std::slice::from_ref(&new), false), Err("linux/amd64".parse().unwrap()));
        assert_eq!(digests(&merge(Some(&index), std::slice::from_ref(&new), true).unwrap()), [new.digest]);
        assert_eq!(merge(Some(&index), &[old], false), Ok(index));
    }

    #[test]
    fn variants_are_platforms_and_spellings_are_not() {
        let (v6, v7, arm) = (image("linux/arm/v6", "6"), image("linux/arm/v7", "7"), image("linux/arm64", "a"));
        let index = merge(None, &[v6, v7, arm], false).unwrap();
        assert_eq!(index.manifests.len(), 3);
        assert!(merge(Some(&index), &[image("linux/arm64/v8", "b")], false).is_err());
    }

    #[test]
    fn attestations_come_and_go_with_their_image() {
        let (old, new) = (image("linux/amd64", "old"), image("linux/amd64", "new"));
        let (about_old, about_new) = (attestation(&old, "sbom of old"), attestation(&new, "sbom of new"));
        let index = merge(None, &[about_old, old], false).unwrap();
        assert_eq!(index.manifests.len(), 2);
        assert!(index.manifests[1].is_attestation());
        let index = merge(Some(&index), &[new.clone(), about_new.clone()], true).unwrap();
        assert_eq!(digests(&index), [new.digest, about_new.digest]);
    }

    #[test]
    fn what_is_unchanged_keeps_its_order_and_its_fields() {
        let mut index = Index::new(vec![image("linux/s390x", "s"), image("linux/amd64", "a")], false);
        index.annotations.insert("a".into(), "b".into());
        assert_eq!(merge(Some(&index), &[image("linux/amd64", "a")], false), Ok(index.clone()));
        let more = merge(Some(&index), &[image("linux/arm64", "x")], false).unwrap();
        assert_eq!(more.annotations, index.annotations);
    }
}
