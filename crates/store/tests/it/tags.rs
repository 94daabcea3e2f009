//! Names: who has them, who loses them, and who reads them.

use crate::support::{Outcome, new_store, put_image, reference};
use oci::{Digest, Repository};
use shipsmith_store::{Error, Store};

#[test]
fn a_name_leads_to_its_image_and_moves() -> Outcome {
    let (_dir, store) = new_store()?;
    let (first, second) = (put_image(&store, "1")?, put_image(&store, "2")?);
    store.tag(&reference("app"), &first)?;
    assert_eq!(store.resolve(&reference("docker.io/library/app:latest"))?, Some(first.clone()));
    store.tag_all(&[(reference("app"), second.clone()), (reference("localhost:5000/app:v2"), second.clone())])?;
    assert_eq!(store.resolve(&reference("app"))?, Some(second.clone()));
    let names: Vec<String> = store.tags()?.into_iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["docker.io/library/app:latest", "localhost:5000/app:v2"]);
    assert!(store.untag(&reference("app"))? && !store.untag(&reference("app"))?);
    assert_eq!(store.resolve(&reference("app"))?, None);
    Ok(())
}

#[test]
fn an_image_is_found_by_digest_whatever_its_name() -> Outcome {
    let (_dir, store) = new_store()?;
    let image = put_image(&store, "1")?;
    let by_digest = reference("anything/at-all").with_digest(image.digest.clone());
    assert_eq!(store.resolve(&by_digest)?, Some(image.clone()));
    assert_eq!(store.resolve(&reference("app").with_digest(Digest::of(b"none")))?, None);
    assert!(matches!(store.tag(&by_digest, &image), Err(Error::NotATag(_))));
    Ok(())
}

#[test]
fn an_image_without_a_name_is_kept_until_it_gets_one() -> Outcome {
    let (_dir, store) = new_store()?;
    let image = put_image(&store, "1")?;
    store.keep(&image)?;
    store.keep(&image)?;
    assert_eq!((store.dangling()?, store.tags()?.len()), (vec![image.clone()], 0));
    store.tag(&reference("app"), &image)?;
    assert_eq!((store.dangling()?.len(), store.tags()?.len()), (0, 1));
    store.keep(&image)?;
    assert_eq!(store.dangling()?.len(), 0);
    Ok(())
}

#[test]
fn only_what_is_here_can_be_named() -> Outcome {
    let (_dir, store) = new_store()?;
    let mut image = put_image(&store, "1")?;
    image.digest = Digest::of(b"elsewhere");
    assert!(matches!(store.tag(&reference("app"), &image), Err(Error::Absent(_))));
    assert!(store.tags()?.is_empty());
    Ok(())
}

#[test]
fn layers_held_by_reference_are_missing_and_have_an_origin() -> Outcome {
    let (_dir, store) = new_store()?;
    let image = put_image(&store, "1")?;
    let manifest = store.manifest(&image.digest)?;
    let layer = manifest.layers[0].clone();
    std::fs::remove_file(store.blob_path(&layer.digest))?;
    assert_eq!(store.missing(&manifest), vec![layer.clone()]);
    store.keep(&image)?;
    assert_eq!(store.verify()?.len(), 1, "nobody knows where the layer is");
    let (there, elsewhere): (Repository, Repository) = ("registry.example/base".parse()?, "a.example/base".parse()?);
    store.add_origin(&layer.digest, &there)?;
    store.add_origins(&[&layer.digest, &image.digest], &elsewhere)?;
    assert_eq!(store.origin(&layer.digest)?, [elsewhere, there]);
    assert!(store.verify()?.is_empty());
    Ok(())
}

#[test]
fn skopeo_reads_the_store() -> Outcome {
    let Some(skopeo) = testkit::tools::require("skopeo") else { return Ok(()) };
    let (_dir, store) = new_store()?;
    let image = put_image(&store, "hello")?;
    store.tag(&reference("localhost:5000/team/app:v1"), &image)?;
    store.tag(&reference("other"), &put_image(&store, "other")?)?;
    let place = format!("oci:{}:localhost:5000/team/app:v1", store.dir().display());
    let inspected: serde_json::Value = serde_json::from_str(&skopeo.run(["inspect", &place]).text())?;
    assert_eq!(inspected["Digest"], image.digest.as_str());
    let copy = tempfile::tempdir()?;
    let target = format!("oci:{}:v1", copy.path().join("copy").display());
    skopeo.run(["--insecure-policy", "copy", "--quiet", "--preserve-digests", &place, &target]);
    let imported = Store::open(copy.path().join("store"))?.import(&copy.path().join("copy"))?;
    assert_eq!(imported[0].image.digest, image.digest);
    Ok(())
}

#[test]
fn images_skopeo_puts_into_the_store_are_ours_too() -> Outcome {
    let Some(skopeo) = testkit::tools::require("skopeo") else { return Ok(()) };
    let (_dir, store) = new_store()?;
    let image = put_image(&store, "hello")?;
    store.tag(&reference("app"), &image)?;
    let from = format!("oci:{}:docker.io/library/app:latest", store.dir().display());
    let to = format!("oci:{}:localhost/copied:v2", store.dir().display());
    skopeo.run(["--insecure-policy", "copy", "--quiet", &from, &to]);
    assert_eq!(store.resolve(&reference("localhost/copied:v2"))?.map(|found| found.digest), Some(image.digest));
    assert!(store.resolve(&reference("app"))?.is_some());
    Ok(())
}

#[test]
fn names_given_at_once_are_all_given() -> Outcome {
    let (_dir, store) = new_store()?;
    let images: Vec<_> = (0..64).map(|n| put_image(&store, &n.to_string())).collect::<Result<_, _>>()?;
    let name = |n: usize| reference(&format!("app{n}"));
    std::thread::scope(|scope| {
        let give = |(n, image)| {
            scope.spawn({
                let (store, name) = (&store, name(n));
                move || store.tag(&name, image)
            })
        };
        let threads: Vec<_> = images.iter().enumerate().map(give).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    })?;
    for (n, image) in images.iter().enumerate() {
        assert_eq!(store.resolve(&name(n))?.as_ref(), Some(image), "{n}");
    }
    Ok(())
}

#[test]
fn names_that_stand_are_not_written_again() -> Outcome {
    use std::os::unix::fs::MetadataExt;

    let (_dir, store) = new_store()?;
    let (first, second) = (put_image(&store, "1")?, put_image(&store, "2")?);
    store.tag(&reference("app"), &first)?;
    store.tag(&reference("other"), &second)?;
    let file = || std::fs::metadata(store.dir().join("index.json")).map(|file| file.ino());
    let written = file()?;
    // At once, too: then the file is read again, and what stands in it stays in its place.
    store.tag(&reference("app"), &first)?;
    assert_eq!(file()?, written);
    // So long a change in the file's times cannot be missed.
    std::thread::sleep(std::time::Duration::from_millis(150));
    store.tag(&reference("app"), &first)?;
    assert_eq!(file()?, written);
    // What others change is seen.
    Store::open(store.dir())?.tag(&reference("app"), &second)?;
    assert_ne!(file()?, written);
    store.tag(&reference("app"), &first)?;
    assert_eq!(store.resolve(&reference("app"))?, Some(first));
    Ok(())
}
