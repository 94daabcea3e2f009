use layer::Compression;

use super::*;

fn parse(text: &str) -> Result<Output, RequestError> {
    super::parse(text, false)
}

fn hint(text: &str) -> String {
    parse(text).unwrap_err().hint().unwrap_or_default()
}

fn image(text: &str) -> ImageOptions {
    match parse(text) {
        Ok(Output::Image(options)) => options,
        other => panic!("{text} is no image but {other:?}"),
    }
}

fn archive(text: &str) -> (Destination, bool) {
    match parse(text) {
        Ok(Output::Oci(options) | Output::Docker(options)) => (options.destination, options.tar),
        other => panic!("{text} is no archive but {other:?}"),
    }
}

fn file(path: &str) -> Destination {
    Destination::File(path.into())
}

#[test]
fn shorthands() {
    assert_eq!(parse("out/dir"), Ok(Output::Local("out/dir".into())));
    assert_eq!(parse("-"), Ok(Output::Tar(Destination::Stdout)));
}

#[test]
fn archives_go_to_a_file_a_directory_or_standard_output() {
    assert_eq!(archive("type=oci,dest=a.tar"), (file("a.tar"), true));
    assert_eq!(archive("type=oci"), (Destination::Stdout, true));
    assert_eq!(archive("type=oci,tar=false,dest=d"), (file("d"), false));
    assert_eq!(hint("type=oci,tar=false"), "add dest=DIR");
}

#[test]
fn docker_is_the_engine_unless_there_is_a_file() {
    assert!(matches!(parse("type=docker"), Ok(Output::Load(_))));
    assert_eq!(archive("type=docker,dest=-"), (Destination::Stdout, true));
    assert_eq!(archive("type=docker,dest=a"), (file("a"), true));
    assert!(parse("type=docker,context=x").unwrap_err().to_string().contains("not supported"));
}

#[test]
fn the_registry_is_an_image_that_is_pushed_and_not_kept() {
    let flags = |text| (image(text).push, image(text).store);
    assert_eq!(flags("type=registry"), (true, false));
    assert_eq!(flags("type=registry,unpack=false"), (true, false));
    assert_eq!(flags("type=registry,store=true"), (true, true));
    assert_eq!(flags("type=image"), (false, true));
    assert_eq!(flags("type=image,push=true,store=false"), (true, false));
}

#[test]
fn file_systems() {
    assert_eq!(parse("type=local,dest=d"), Ok(Output::Local("d".into())));
    assert_eq!(parse("type=local,dest=d,platform-split=false,mode=copy"), Ok(Output::Local("d".into())));
    assert!(super::parse("type=local,dest=d,platform-split=false", true).is_err());
    assert_eq!(parse("type=tar,dest=t"), Ok(Output::Tar(file("t"))));
    assert!(parse("type=local").is_err());
    assert!(hint("type=local,dest=-").contains("type=tar"));
    assert!(hint("type=local,dest=d,mode=delete").contains("empty the directory"));
}

#[test]
fn names_may_be_a_quoted_list() {
    let names = image(r#"type=image,"name=a,example.org/b:1",push=true"#).names;
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), 2);
    assert!(names[1].starts_with("example.org/b"));
    assert!(parse("type=image,name=UPPER").is_err());
}

#[test]
fn image_options_under_buildkits_names() {
    let found = image(
        "type=registry,push-by-digest=true,oci-mediatypes=false,compression=zstd,compression-level=19,\
         force-compression=true,rewrite-timestamp=1,annotation.a.b=c,annotation-index.d=e",
    );
    assert!(found.push_by_digest && found.form.force_compression);
    assert_eq!(found.form.oci_media_types, Some(false));
    assert_eq!(found.form.compression, Some(Compression::Zstd { level: 19 }));
    assert_eq!(found.form.annotations.len(), 2);
}

#[test]
fn levels_have_their_compressors_range() {
    let compression = |text| image(text).form.compression;
    assert_eq!(compression("type=image"), None);
    assert_eq!(compression("type=image,compression=gzip"), Some(Compression::Gzip { level: 1 }));
    assert_eq!(compression("type=image,compression-level=6"), Some(Compression::Gzip { level: 6 }));
    assert_eq!(compression("type=image,compression=uncompressed"), Some(Compression::None));
    assert_eq!(compression("type=image,compression=gzip-fast"), Some(Compression::FastGzip));
    assert_eq!(compression("type=image,compression=zstd"), Some(Compression::Zstd { level: 1 }));
    assert!(parse("type=oci,compression=gzip-fast,compression-level=1").is_err());
    assert!(parse("type=oci,compression=gzip,compression-level=10").is_err());
    assert!(parse("type=oci,compression=gzip,compression-level=0").is_err());
    assert!(parse("type=oci,compression=zstd,compression-level=23").is_err());
    assert!(parse("type=oci,compression=uncompressed,compression-level=1").is_err());
    assert!(parse("type=oci,compression-level=nine").is_err());
}

#[test]
fn slips_are_understood() {
    assert_eq!(hint("type=regsitry"), "did you mean \"registry\"?");
    assert_eq!(hint("type=oci,dset=a"), "did you mean \"dest\"?");
    assert_eq!(hint("type=oci,compression=gzp"), "did you mean \"gzip\"?");
    assert!(hint("dest=a,name=b").starts_with("type="));
    assert!(hint("type=image,dest=a").contains("type=oci"));
    assert!(parse("type=local,dest=d,compression=gzip").is_err());
}

#[test]
fn what_we_do_not_do_says_why() {
    for text in [
        "type=oci,compression=estargz",
        "type=image,unpack=true",
        "type=image,registry.insecure=true",
        "type=image,name-canonical=true",
        "type=image,prefer-nondist-layers=true",
        "type=image,oci-artifact=true",
        "type=image,attestation-inline=true",
        "type=image,dangling-name-prefix=x",
        "type=image,source-date-epoch=0",
    ] {
        let error = parse(text).unwrap_err();
        assert!(matches!(error, RequestError::Unsupported { .. }), "{text}: {error}");
    }
}
