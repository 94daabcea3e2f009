//! How an image is written: media types, compressions, annotations, times.

use oci::Platform;
use serde_json::Value;
use testkit::fixtures::tiny_base;

use crate::support::{Environment, base, context, each, image, json};

const DOCKERFILE: &str = "FROM base\nCOPY a /opt/a\n";

/// The layout of a build with this output, its only entry of `index.json`, and what that names.
struct Written {
    environment: Environment,
    entry: Value,
    root: Value,
}

fn write(options: &str, flags: &[&str]) -> Written {
    let environment = context(DOCKERFILE);
    let output = format!("type=oci,tar=false,dest=layout{options}");
    let base = base(&tiny_base());
    let arguments = ["build", &base, "-t", "app:1", "-o", &output].into_iter().chain(flags.iter().copied());
    environment.ok(arguments.chain(["app"]));
    let entry = json(environment.read("layout/index.json"))["manifests"][0].clone();
    let root = blob(&environment, &entry);
    Written { environment, entry, root }
}

fn blob(environment: &Environment, descriptor: &Value) -> Value {
    let digest = descriptor["digest"].as_str().expect("a digest").replace(':', "/");
    json(environment.read(&format!("layout/blobs/{digest}")))
}

fn layer_types(written: &Written) -> Vec<&str> {
    let types = each(&written.root["layers"], "mediaType");
    types.into_iter().map(|text| text.rsplit('.').next().unwrap_or(text)).collect()
}

#[test]
fn media_types_are_oci_or_dockers() {
    let oci = write("", &[]);
    assert_eq!(oci.entry["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(oci.root["config"]["mediaType"], "application/vnd.oci.image.config.v1+json");
    let docker = write(",oci-mediatypes=false", &[]);
    assert_eq!(docker.entry["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    assert_eq!(docker.root["config"]["mediaType"], "application/vnd.docker.container.image.v1+json");
    let gzip = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    assert_eq!(each(&docker.root["layers"], "mediaType"), [gzip, gzip], "the base's layer is called so as well");
    assert_eq!(docker.root["layers"][0]["digest"], oci.root["layers"][0]["digest"]);
    let (oci, docker) = (oci.environment.path("layout"), docker.environment.path("layout"));
    assert_eq!(image(&oci), image(&docker));
}

#[test]
fn a_compression_is_for_what_the_build_makes_and_changes_no_content() {
    let plain = write("", &[]);
    assert_eq!(layer_types(&plain), ["tar+gzip", "tar+gzip"]);
    let expected = image(&plain.environment.path("layout"));
    for (options, kind) in [
        (",compression=uncompressed", "tar"),
        (",compression=gzip,compression-level=9", "tar+gzip"),
        (",compression=zstd", "tar+zstd"),
        (",compression=zstd,compression-level=19", "tar+zstd"),
    ] {
        let written = write(options, &[]);
        assert_eq!(layer_types(&written), ["tar+gzip", kind], "{options}");
        assert_eq!(image(&written.environment.path("layout")), expected, "{options}");
    }
}

#[test]
fn a_forced_compression_is_for_the_bases_layers_too() {
    let plain = write("", &[]);
    let expected = image(&plain.environment.path("layout"));
    for (compression, kind) in [("uncompressed", "tar"), ("zstd", "tar+zstd"), ("gzip", "tar+gzip")] {
        let written = write(&format!(",compression={compression},force-compression=true"), &[]);
        assert_eq!(layer_types(&written), [kind, kind]);
        assert_eq!(image(&written.environment.path("layout")), expected);
        let same = written.root["layers"][0]["digest"] == plain.root["layers"][0]["digest"];
        assert_eq!(same, compression == "gzip", "what has the encoding already stays");
    }
}

#[test]
fn zstd_and_dockers_media_types_do_not_go_together() {
    let environment = context("FROM scratch\nCOPY a /\n");
    let output = "type=oci,dest=a.tar,compression=zstd,oci-mediatypes=false";
    let said = environment.fails(1, ["build", "-o", output, "app"]);
    assert!(said.contains("compression=zstd needs OCI media types"), "{said}");
}

#[test]
fn annotations_are_where_they_are_wanted() {
    let platforms = "--platform=linux/amd64,linux/arm64";
    let environment = context("FROM scratch\nCOPY a /\n");
    let output = "type=oci,tar=false,dest=layout,annotation.m=output,annotation-index.i=output,\
                  annotation-manifest[linux/arm64].arm=only,annotation-manifest-descriptor.d=all";
    let flags = ["--annotation", "flag=1", "--annotation", "index,index-descriptor:both=2"];
    environment.ok(["build", platforms, "-o", output].into_iter().chain(flags).chain(["app"]));
    let entry = json(environment.read("layout/index.json"))["manifests"][0].clone();
    assert_eq!(entry["annotations"]["both"], "2", "{entry}");
    let index = blob(&environment, &entry);
    assert_eq!(index["annotations"], json(r#"{"both":"2","i":"output"}"#));
    for manifest in index["manifests"].as_array().expect("two") {
        assert_eq!(manifest["annotations"], json(r#"{"d":"all"}"#));
        let annotations = blob(&environment, manifest)["annotations"].clone();
        assert_eq!((&annotations["m"], &annotations["flag"]), (&"output".into(), &"1".into()));
        let arm = manifest["platform"]["architecture"] == "arm64";
        assert_eq!(annotations["arm"], if arm { "only".into() } else { Value::Null });
    }
}

#[test]
fn an_annotation_that_nothing_can_carry_is_refused() {
    let environment = context("FROM scratch\nCOPY a /\n");
    for (annotation, options, word) in [
        ("index:a=b", "", "one platform"),
        ("index-descriptor:a=b", "", "one platform"),
        ("manifest[linux/s390x]:a=b", "", "linux/s390x"),
        ("manifest-descriptor:a=b", ",oci-mediatypes=false", "oci-mediatypes"),
    ] {
        let output = format!("type=oci,dest=a.tar{options}");
        let flags = ["build", "--platform=linux/amd64", "--annotation", annotation, "-o", &output, "app"];
        let said = environment.fails(1, flags);
        assert!(said.contains(word), "{annotation}: {said}");
    }
}

#[test]
fn a_single_manifests_descriptor_carries_its_annotations() {
    let written = write("", &["--annotation=manifest-descriptor:a=b", "--annotation=c=d"]);
    assert_eq!(written.entry["annotations"]["a"], "b");
    assert_eq!(written.root["annotations"], json(r#"{"c":"d"}"#));
}

/// The times in an image, as GNU tar lists them, of a build with this output and `SOURCE_DATE_EPOCH=1000000000`.
fn times(options: &str) -> Vec<String> {
    let environment = context("FROM scratch\nADD old.tar /\nCOPY a /\n");
    let tar = testkit::tools::find("tar").expect("every Debian has tar");
    for (name, time) in [("old", "@500000000"), ("new", "@1500000000")] {
        environment.write(name, name);
        let time = format!("--mtime={time}");
        let arguments = ["-rf", "app/old.tar", &time, name];
        testkit::tools::run(tar.command().args(arguments).current_dir(environment.work()));
    }
    let output = format!("type=oci,tar=false,dest=layout,compression=uncompressed{options}");
    let mut command = environment.command(["build", "-o", &output, "app"]);
    testkit::tools::run(command.env("SOURCE_DATE_EPOCH", "1000000000"));
    let entry = json(environment.read("layout/index.json"))["manifests"][0].clone();
    let manifest = blob(&environment, &entry);
    let list = |layer: &Value| {
        let path = format!("layout/blobs/{}", layer["digest"].as_str().expect("a digest").replace(':', "/"));
        let arguments = ["-tv", "--utc", "--full-time", "-f", &path];
        let said = testkit::tools::run(tar.command().args(arguments).current_dir(environment.work())).text();
        let day = |line: &str| Some(format!("{} {}", line.split_whitespace().last()?, line.split_whitespace().nth(3)?));
        said.lines().filter_map(day).collect::<Vec<_>>()
    };
    manifest["layers"].as_array().expect("layers").iter().flat_map(list).collect()
}

#[test]
fn nothing_is_newer_than_the_epoch() {
    let expected = ["new 2001-09-09", "old 1985-11-05", "a 2001-09-09"];
    assert_eq!(times(""), expected, "times are clamped without being asked for it (ours)");
    assert_eq!(times(",rewrite-timestamp=true"), expected);
}

#[test]
fn the_host_is_the_platform_unless_one_is_named() {
    let written = write("", &[]);
    let config = blob(&written.environment, &written.root["config"]);
    assert_eq!(config["architecture"], Platform::host().architecture.as_str());
}
