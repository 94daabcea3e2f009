use super::*;
use crate::{Error, MountKind, Problem, ResolvedMount, Sharing, Span};

/// The mount a flag's value says, with `$X` worth `value`.
fn resolve(flag: &str) -> Result<ResolvedMount, Error> {
    let file = parse(Source::new("Dockerfile", format!("FROM scratch\nRUN --mount={flag} x\n")))?;
    let Kind::Run(run) = &file.stages[0].instructions[0].kind else { panic!("no RUN") };
    let expand = |word: &Word| Ok::<_, Problem>(word.raw.replace("$X", "value"));
    run.mounts[0].resolve(expand).map_err(|problem| problem.within(&file.source))
}

fn mount(flag: &str) -> ResolvedMount {
    resolve(flag).unwrap_or_else(|error| panic!("{flag}: {error}"))
}

#[test]
fn defaults_depend_on_the_type() {
    assert_eq!(mount("target=/a"), ResolvedMount { target: "/a".into(), read_only: true, ..ResolvedMount::default() });
    assert!(!mount("type=cache,target=/a").read_only);
    assert!(!mount("type=tmpfs,target=/a").read_only);
    assert!(mount("type=secret,id=a").read_only);
    assert!(!mount("target=/a,rw").read_only);
    assert!(mount("target=/a,readwrite=false").read_only);
    assert!(mount("type=cache,target=/a,ro").read_only);
    assert!(!mount("target=/a,readonly=0").read_only);
}

#[test]
fn options() {
    let cache = mount("type=CACHE,id=$X,dst=/a,sharing=Locked,from=b,src=/c,mode=0750,uid=1,gid=2");
    let expected = ResolvedMount {
        kind: MountKind::Cache,
        id: "value".into(),
        target: "/a".into(),
        sharing: Some(Sharing::Locked),
        from: "b".into(),
        source: "/c".into(),
        mode: Some(0o750),
        uid: Some(1),
        gid: Some(2),
        ..ResolvedMount::default()
    };
    assert_eq!(cache, expected);
    assert_eq!(mount("type=tmpfs,target=/a,size=1.5k").size, 1536);
    assert!(mount("type=ssh,required").required);
    assert!(!mount("type=secret,id=a,required=false").required);
    assert_eq!(mount("type=secret,id=a,env=").env.as_deref(), Some(""));
    assert_eq!(mount(r#"target=/a,\"source=/b,\"\"c\""#).source, "/b,\"c");
}

#[test]
fn refusals() {
    for (flag, expected) in [
        ("type=bind,target=/a,mode=1", "a bind mount has no mode"),
        ("type=tmpfs,uid=1", "a tmpfs mount has no uid"),
        ("type=cache,size=1", "a cache mount has no size"),
        ("size=1,type=tmpfs", "a bind mount has no size"),
        ("type=cache,required", "a cache mount has no required"),
        ("type=bind,sharing=shared", "a bind mount has no sharing"),
        ("type=secret,from=a", "a secret mount has no from"),
        ("type=secret", "a secret mount needs an id, a source or a target"),
        ("type=secret,id=a,source=b", "a secret mount has both an id and a source"),
        ("type=cahce", "\"cahce\" is no mount type"),
        ("type=cache,sharing=lock", "\"lock\" is no way of sharing"),
        ("target", "the option \"target\" needs a value"),
        ("targte=/a", "unknown option \"targte\""),
        ("ro=maybe", "\"maybe\" is no value for ro"),
        ("type=cache,mode=9", "\"9\" is no value for mode"),
        ("type=cache,uid=-1", "\"-1\" is no value for uid"),
        ("type=tmpfs,size=many", "\"many\" is no value for size"),
        ("from=$X", "from must not contain variables"),
        (r#"\"a\"b"#, "the options are no comma-separated list"),
        ("a\\\"b", "the options are no comma-separated list"),
        ("", "the options are no comma-separated list"),
    ] {
        let error = resolve(flag).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some(expected), "for {flag:?}");
    }
}

#[test]
fn a_wrong_type_is_only_found_when_the_stage_is_built() {
    assert!(matches!(kind("RUN --mount=type=$X,target=/a y"), Kind::Run(_)));
    assert!(matches!(kind("RUN --mount=type=wrong y"), Kind::Run(_)));
    assert!(matches!(kind("RUN --mount=from=a$ y"), Kind::Run(_)));
}

#[test]
fn options_have_places() {
    let file = file("FROM scratch\nRUN --mount=type=cache,target=/a x\n");
    let Kind::Run(run) = &file.stages[0].instructions[0].kind else { panic!("no RUN") };
    let slice = |span: Span| file.source.slice(span);
    let fields = &run.mounts[0].fields;
    assert_eq!(slice(run.mounts[0].span), "type=cache,target=/a");
    assert_eq!(fields.iter().map(|field| slice(field.span)).collect::<Vec<_>>(), ["type=cache", "target=/a"]);
    assert_eq!(fields[1].value.as_ref().map(|word| slice(word.span)), Some("/a"));
}
