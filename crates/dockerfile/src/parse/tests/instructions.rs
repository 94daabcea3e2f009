use super::*;
use crate::{CommandLine, Healthcheck, Network, Security, parse_onbuild};

fn pairs(line: &str) -> Vec<(String, String)> {
    match kind(line) {
        Kind::Env(pairs) | Kind::Label(pairs) => {
            pairs.into_iter().map(|pair| (pair.name.raw, pair.value.raw)).collect()
        }
        other => panic!("no pairs in {other:?}"),
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.into(), value.into())
}

#[test]
fn names_and_values() {
    for (line, expected) in [
        ("ENV a=b", vec![pair("a", "b")]),
        ("ENV a=b c=d", vec![pair("a", "b"), pair("c", "d")]),
        ("ENV a b", vec![pair("a", "b")]),
        ("ENV a   b  c ", vec![pair("a", "b  c")]),
        ("ENV a b=c", vec![pair("a", "b=c")]),
        ("ENV a=\"b c\"", vec![pair("a", "\"b c\"")]),
        ("ENV a='b c'd", vec![pair("a", "'b c'd")]),
        (r"ENV a=b\ c", vec![pair("a", r"b\ c")]),
        (r#"ENV a="b\"c d""#, vec![pair("a", r#""b\"c d""#)]),
        (r"ENV a='b\' c=d", vec![pair("a", r"'b\'"), pair("c", "d")]),
        ("ENV a=\"open x", vec![pair("a", "\"open x")]),
        ("ENV a=", vec![pair("a", "")]),
        ("ENV a=b=c", vec![pair("a", "b=c")]),
        ("ENV a=b\\", vec![pair("a", "b")]),
        ("LABEL \"a b\"=c", vec![pair("\"a b\"", "c")]),
    ] {
        assert_eq!(pairs(line), expected, "for {line:?}");
    }
    assert_eq!(message("ENV"), "ENV needs at least one argument");
    assert_eq!(message("ENV a"), "ENV needs a name and a value");
    assert_eq!(message("LABEL a=b c"), "\"c\" has no equals sign");
    assert_eq!(message("ENV =b"), "ENV has a blank name");
    assert_eq!(message("ENV --x a=b"), "ENV has no flag --x");
}

#[test]
fn arguments() {
    let Kind::Arg(declarations) = kind("ARG a b= c=\"d e\" --x=1") else { panic!("no ARG") };
    let found: Vec<_> = declarations
        .iter()
        .map(|declaration| (declaration.name.raw.as_str(), declaration.value.as_ref().map(|word| word.raw.as_str())))
        .collect();
    assert_eq!(found, [("a", None), ("b", Some("")), ("c", Some("\"d e\"")), ("--x", Some("1"))]);
    assert!(matches!(kind("ARG --ignored a"), Kind::Arg(declarations) if declarations.len() == 1));
    assert_eq!(message("ARG"), "ARG needs at least one argument");
    assert_eq!(message("ARG =x"), "ARG has a blank name");
}

fn command(line: &str) -> CommandLine {
    match kind(line) {
        Kind::Run(run) => run.command,
        Kind::Cmd(command) | Kind::Entrypoint(command) => command,
        other => panic!("no command in {other:?}"),
    }
}

#[test]
fn json_form_and_its_near_misses() {
    for (line, shell, words) in [
        (r#"CMD ["a", "b c"]"#, false, vec!["a", "b c"]),
        (r#"CMD [ "a" , "b" ]  "#, false, vec!["a", "b"]),
        (r#"CMD []"#, false, vec![]),
        (r#"RUN ["a\"\\\/\n\u00e9\ud83d\ude00"]"#, false, vec!["a\"\\/\né😀"]),
        (r#"RUN ["\ud800x"]"#, false, vec!["\u{fffd}x"]),
        (r#"CMD ["a",]"#, true, vec![r#"["a",]"#]),
        (r#"CMD ['a']"#, true, vec!["['a']"]),
        (r#"CMD ["a"] b"#, true, vec![r#"["a"] b"#]),
        (r#"CMD ["a""#, true, vec![r#"["a""#]),
        (r#"CMD ["a\x"]"#, true, vec![r#"["a\x"]"#]),
        (r#"CMD [ -f x ]"#, true, vec!["[ -f x ]"]),
        ("CMD [1e999]", true, vec!["[1e999]"]),
        (r#"CMD "a""#, true, vec![r#""a""#]),
        ("CMD", true, vec![""]),
        ("ENTRYPOINT a  b", true, vec!["a  b"]),
        ("RUN", true, vec![""]),
    ] {
        let command = command(line);
        assert_eq!((command.is_shell(), raws(command.words())), (shell, words), "for {line:?}");
    }
    for line in [r#"CMD ["a", 1]"#, "RUN [1]", "COPY [[\"a\"], \"b\"]", "VOLUME [null]", "ONBUILD RUN [true]"] {
        assert_eq!(message(line), "a JSON array must hold strings only", "for {line:?}");
    }
}

#[test]
fn lists() {
    let words = |line: &str| match kind(line) {
        Kind::Expose(words) | Kind::Volume(words) | Kind::Shell(words) => {
            words.into_iter().map(|word| word.raw).collect::<Vec<_>>()
        }
        other => panic!("no list in {other:?}"),
    };
    assert_eq!(words("EXPOSE 80 443/tcp 8080-8090"), ["443/tcp", "80", "8080-8090"]);
    assert_eq!(words("VOLUME /a /b"), ["/a", "/b"]);
    assert_eq!(words("VOLUME [\" /a b \"]"), ["/a b"]);
    assert_eq!(words("SHELL [\"sh\", \"-c\"]"), ["sh", "-c"]);
    assert_eq!(message("EXPOSE"), "EXPOSE needs at least one argument");
    assert_eq!(message("VOLUME []"), "VOLUME needs at least one argument");
    assert_eq!(message("VOLUME [\" \"]"), "a volume must not be empty");
    assert_eq!(message("SHELL sh -c"), "SHELL needs a JSON array");
    assert_eq!(message("SHELL []"), "SHELL needs at least one argument");
}

#[test]
fn single_arguments() {
    let word = |line: &str| match kind(line) {
        Kind::User(word) | Kind::Workdir(word) | Kind::StopSignal(word) | Kind::Maintainer(word) => word.raw,
        other => panic!("no word in {other:?}"),
    };
    assert_eq!(word("USER a:b"), "a:b");
    assert_eq!(word("WORKDIR /a b  "), "/a b");
    assert_eq!(word("STOPSIGNAL --ignored SIGTERM"), "SIGTERM");
    assert_eq!(word("MAINTAINER A <a@b.c>"), "A <a@b.c>");
    assert_eq!(message("USER"), "USER needs exactly one argument");
    assert_eq!(message("WORKDIR --x /a"), "WORKDIR has no flag --x");
}

#[test]
fn stages() {
    let file = file("ARG V=1\nFROM --platform=linux/arm64 a:$V As Base\nRUN x\nFROM base\n");
    assert_eq!(file.global_args.len(), 1);
    let first = &file.stages[0];
    assert_eq!(first.base.raw, "a:$V");
    assert_eq!(first.platform.as_ref().map(|word| word.raw.as_str()), Some("linux/arm64"));
    assert_eq!(first.name.as_ref().map(|name| name.value.as_str()), Some("base"));
    assert_eq!(first.as_word.as_ref().map(|word| word.raw.as_str()), Some("As"));
    assert_eq!(file.stages[1].name, None);
    assert_eq!(message("FROM"), "FROM takes one argument, or three: FROM image AS name");
    assert_eq!(message("FROM a b c"), "FROM takes one argument, or three: FROM image AS name");
    assert_eq!(message("FROM a AS 1b"), "\"1b\" is no name for a stage");
}

#[test]
fn transfers() {
    let Kind::Copy(copy) =
        kind("COPY --from=x --chown=a:b --chmod=755 --link --parents=false --exclude=*.o --exclude=\"a b\" a b /c")
    else {
        panic!("no COPY")
    };
    assert_eq!(copy.from.map(|word| word.raw).as_deref(), Some("x"));
    assert_eq!(copy.chown.map(|word| word.raw).as_deref(), Some("a:b"));
    assert_eq!(copy.chmod.map(|word| word.raw).as_deref(), Some("755"));
    assert!(copy.link && !copy.parents);
    assert_eq!(raws(&copy.excludes), ["*.o", "a b"]);
    assert_eq!((raws(&copy.sources), copy.destination.raw.as_str()), (vec!["a", "b"], "/c"));
    let Kind::Add(add) = kind("ADD --checksum=sha256:x --keep-git-dir --unpack=FALSE [\"a b\", \"/c\"]") else {
        panic!("no ADD")
    };
    assert_eq!((add.keep_git_dir, add.unpack), (Some(true), Some(false)));
    assert_eq!(raws(&add.sources), ["a b"]);
    assert!(
        matches!(kind("COPY --from= --chown= a b"), Kind::Copy(copy) if copy.from.is_none() && copy.chown.is_none())
    );
    assert!(matches!(kind("COPY -- --from=x /c"), Kind::Copy(copy) if copy.sources[0].raw == "--from=x"));
    assert_eq!(message("COPY a"), "COPY needs a source and a destination");
    assert_eq!(message("ADD a <<b\nb"), "a heredoc cannot be the destination of ADD");
    assert_eq!(message("COPY --checksum=x a b"), "COPY has no flag --checksum");
    assert_eq!(message("COPY --link --link a b"), "the flag --link is given twice");
    assert_eq!(message("COPY --link= a b"), "the flag --link needs a value");
    assert_eq!(message("COPY --link=maybe a b"), "the flag --link is true or false, not \"maybe\"");
    assert_eq!(message("COPY --from a b"), "the flag --from needs a value");
}

#[test]
fn flags_lose_quotes_and_escapes() {
    let chown = |line: &str| match kind(line) {
        Kind::Copy(copy) => copy.chown.map(|word| word.raw),
        _ => None,
    };
    assert_eq!(chown("COPY --chown=\"a b\" x y").as_deref(), Some("a b"));
    assert_eq!(chown(r"COPY --chown=a\ b x y").as_deref(), Some("a b"));
    assert_eq!(chown(r"COPY --chown='\'a' x y").as_deref(), Some("'a"));
    assert_eq!(chown("COPY \"--chown=a\" y"), None);
    assert_eq!(chown("COPY --chown=é x y").as_deref(), Some("é"));
}

#[test]
fn runs() {
    let Kind::Run(run) = kind("RUN --network=none --security=insecure --device=vendor/x,required x") else {
        panic!("no RUN")
    };
    assert_eq!((run.network, run.security), (Network::None, Security::Insecure));
    assert_eq!((run.devices[0].name.as_str(), run.devices[0].required), ("vendor/x", true));
    assert_eq!(message("RUN --network=bridge x"), "\"bridge\" is no network mode");
    assert_eq!(message("RUN --security= x"), "\"\" is no security mode");
    assert_eq!(message("RUN --device=a,name=b x"), "the device is named twice");
}

#[test]
fn healthchecks() {
    let Kind::Healthcheck(Healthcheck::Cmd(probe)) =
        kind("HEALTHCHECK --interval=1m30s --timeout=0s --retries=3 cmd curl x")
    else {
        panic!("no HEALTHCHECK CMD")
    };
    assert_eq!(probe.interval.to_string(), "1m30s");
    assert_eq!(probe.retries, 3);
    assert_eq!((probe.command.is_shell(), raws(probe.command.words())), (true, vec!["curl x"]));
    assert!(matches!(kind("HEALTHCHECK --interval=bad NONE"), Kind::Healthcheck(Healthcheck::None)));
    for (line, expected) in [
        ("HEALTHCHECK", "HEALTHCHECK needs at least one argument"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK CMD", "HEALTHCHECK CMD has no command"),
        ("HEALTHCHECK CMD []", "HEALTHCHECK CMD has no command"),
        ("HEALTHCHECK curl x", "\"curl\" is no kind of HEALTHCHECK"),
        ("HEALTHCHECK --interval=5 CMD x", "\"5\" is no duration"),
        ("HEALTHCHECK --timeout=1us CMD x", "--timeout is shorter than 1ms"),
        ("HEALTHCHECK --timeout=-1s CMD x", "--timeout is shorter than 1ms"),
        ("HEALTHCHECK --retries=-1 CMD x", "\"-1\" is no number of retries"),
        ("HEALTHCHECK --retry=1 CMD x", "HEALTHCHECK has no flag --retry"),
    ] {
        assert_eq!(message(line), expected, "for {line:?}");
    }
}

#[test]
fn triggers() {
    let Kind::Onbuild(trigger) = kind("onbuild   COPY a /b") else { panic!("no ONBUILD") };
    assert_eq!((trigger.keyword.raw.as_str(), trigger.expression.as_str()), ("COPY", "COPY a /b"));
    // What BuildKit's line parser does not look at is stored as it is.
    assert!(matches!(kind("ONBUILD NONSENSE x"), Kind::Onbuild(_)));
    assert!(matches!(kind("ONBUILD COPY a"), Kind::Onbuild(_)));
    assert_eq!(message("ONBUILD"), "ONBUILD needs at least one argument");
    assert_eq!(message("ONBUILD ONBUILD RUN x"), "ONBUILD cannot be triggered by ONBUILD");
    assert_eq!(message("ONBUILD from x"), "FROM cannot be triggered by ONBUILD");
    assert_eq!(message("ONBUILD ENV a"), "ENV needs a name and a value");
}

#[test]
fn triggers_from_a_base() {
    let trigger = |text: &str| parse_onbuild(Source::new("trigger", text)).map_err(|error| error.to_string());
    assert!(trigger("COPY . /app").is_ok_and(|instruction| instruction.onbuild));
    assert_eq!(trigger("RUN a\nRUN b").err().as_deref(), Some("a trigger must be one instruction, this one holds 2"));
    assert_eq!(trigger("").err().as_deref(), Some("a trigger must be one instruction, this one holds 0"));
    assert_eq!(trigger("FROM a").err().as_deref(), Some("FROM cannot be triggered by ONBUILD"));
    assert_eq!(trigger("NONSENSE").err().as_deref(), Some("unknown instruction \"NONSENSE\""));
}

#[test]
fn words_that_are_expanded() {
    let expanded =
        |line: &str| only(line).expanded_words().into_iter().map(|word| word.raw.clone()).collect::<Vec<_>>();
    assert_eq!(expanded("COPY --from=f --chown=o --exclude=e a b"), ["o", "a", "b"]);
    assert_eq!(expanded("ENV a=b c=d"), ["a", "b", "c", "d"]);
    assert_eq!(expanded("RUN --mount=type=cache,target=$X,ro y"), ["cache", "$X"]);
    assert!(expanded("CMD $X").is_empty());
}
