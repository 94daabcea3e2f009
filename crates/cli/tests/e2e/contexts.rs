//! Where the Dockerfile and its files come from.

use std::io::Write;

use testkit::fixtures::tiny_base;
use testkit::tools::{find, run};

use crate::support::remote::Remote;
use crate::support::serve::{GitDaemon, commit, web};
use crate::support::{Environment, base, context, environment};

const COPY_ALL: &str = "FROM scratch\nCOPY . /\n";

/// A tar of the context `app`, compressed as `flag` says.
fn tar(environment: &Environment, flag: &str) -> Vec<u8> {
    let tool = find("tar").expect("every Debian has tar");
    run(tool.command().args(["-C", "app", flag, "-cf", "-", "."]).current_dir(environment.work())).stdout
}

#[test]
fn a_dockerfile_comes_from_standard_input_with_a_context_or_without() {
    let environment = context("FROM nowhere.invalid/x\n");
    let ended = environment.feed(b"FROM scratch\nCOPY a /b\n", ["build", "-f", "-", "-o", "out", "app"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(environment.read("out/b"), "content of a\n");
    let ended = environment.feed(b"FROM scratch\nCOPY <<EOF /c\nc\nEOF\n", ["build", "-o", "out", "-"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(environment.read("out/c"), "c\n");
    let empty = environment.feed(b"FROM scratch\nCOPY a /\n", ["build", "-"]);
    assert_eq!(empty.code, Some(1), "there is no context to copy from");
    assert!(empty.stderr.contains("Dockerfile:2"), "{}", empty.stderr);
}

#[test]
fn a_context_comes_as_a_tar_compressed_or_not() {
    let environment = context(COPY_ALL);
    for (directory, flag) in [("plain", "--sparse"), ("gzip", "-z"), ("bzip2", "-j"), ("xz", "-J")] {
        let archive = tar(&environment, flag);
        let ended = environment.feed(&archive, ["build", "-o", directory, "-"]);
        assert_eq!(ended.code, Some(0), "{flag}: {}", ended.stderr);
        assert_eq!(environment.read(&format!("{directory}/a")), "content of a\n");
    }
    environment.write("app/other", "FROM scratch\nCOPY a /other\n");
    let ended = environment.feed(&tar(&environment, "-z"), ["build", "-f", "other", "-o", "named", "-"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(environment.read("named/other"), "content of a\n", "--file is a path in the archive");
}

#[test]
fn a_dockerfile_elsewhere_and_the_ignore_file_beside_it() {
    let environment = context("FROM scratch\n");
    environment.write("deploy/prod.Dockerfile", COPY_ALL);
    environment.write("app/.dockerignore", "a\n");
    environment.write("app/b", "b\n");
    environment.ok(["build", "-f", "deploy/prod.Dockerfile", "-o", "out", "app"]);
    assert!(!environment.path("out/a").exists() && environment.path("out/b").exists());
    environment.write("deploy/prod.Dockerfile.dockerignore", "b\n");
    environment.ok(["build", "-f", "deploy/prod.Dockerfile", "-o", "second", "app"]);
    assert!(environment.path("second/a").exists() && !environment.path("second/b").exists());
}

#[test]
fn a_context_comes_over_http() {
    let environment = context(COPY_ALL);
    let archive = web(tar(&environment, "-z"));
    environment.ok(["build", "-o", "out", &format!("{archive}/context.tar.gz")]);
    assert_eq!(environment.read("out/a"), "content of a\n");
    let dockerfile = web(b"FROM scratch\nCOPY <<EOF /only\nhere\nEOF\n".to_vec());
    environment.ok(["build", "-o", "out", &format!("{dockerfile}/Dockerfile")]);
    assert_eq!(environment.read("out/only"), "here\n");
}

#[test]
fn a_context_comes_from_git_at_a_ref_and_below_a_directory() {
    let environment = environment();
    environment.write("repositories/it/sub/Dockerfile", COPY_ALL);
    environment.write("repositories/it/sub/a", "first\n");
    commit(&environment.path("repositories/it"));
    environment.write("repositories/it/sub/a", "second\n");
    commit_more(&environment);
    let daemon = GitDaemon::start(&environment.path("repositories"));
    for (fragment, expected) in [("main:sub", "second\n"), ("v1:sub", "first\n"), (":sub", "second\n")] {
        let url = format!("{}/it#{fragment}", daemon.url());
        environment.ok(["build", "-o", "out", &url]);
        assert_eq!(environment.read("out/a"), expected, "{fragment}");
        assert!(!environment.path("out/.git").exists());
    }
    let missing = environment.fails(1, ["build", &format!("{}/it#nowhere:sub", daemon.url())]);
    assert!(missing.contains("nowhere"), "{missing}");
    let context = format!("--build-context=src={}/it#v1:sub", daemon.url());
    let arguments = ["build", &context, "-o", "copied", "-"];
    let ended = environment.feed(b"FROM scratch\nCOPY --from=src a /copied\n", arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(environment.read("copied/copied"), "first\n");
}

fn commit_more(environment: &Environment) {
    let git = find("git").expect("git is needed to work on this project");
    let identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
    let mut command = git.command();
    command.args(identity).args(["commit", "--quiet", "--all", "-m", "2"]);
    run(command.current_dir(environment.path("repositories/it")));
}

#[test]
fn more_contexts_have_names() {
    let Some(remote) = Remote::start() else { return };
    tiny_base().push(remote.address(), "library/tiny:1");
    let text = "FROM layout AS l\nFROM image AS i\nFROM scratch\nCOPY --from=dir d /\nCOPY --from=web context /web\n\
                COPY --from=l /usr/bin/hello /l\nCOPY --from=i /usr/bin/hello /i\nCOPY --from=stage a /stage\n\
                COPY --from=pinned /usr/bin/hello /pinned\n";
    let environment = context(text);
    environment.write("other/d", "d\n");
    environment.write("other/ignored", "i\n");
    let archive = web(tar(&environment, "-z"));
    let layout = tiny_base().layout().display().to_string();
    let digest = crate::support::json(std::fs::read_to_string(format!("{layout}/index.json")).expect("a layout"));
    let digest = digest["manifests"][0]["digest"].as_str().expect("a digest").to_owned();
    let contexts = [
        format!("pinned=oci-layout://{layout}@{digest}"),
        format!("layout=oci-layout://{layout}:latest"),
        format!("image=docker-image://{}", remote.name("library/tiny:1")),
        "dir=other".to_owned(),
        format!("web={archive}/download.tar.gz"),
        "stage=app".to_owned(),
    ];
    let flags = contexts.iter().flat_map(|context| ["--build-context", context.as_str()]);
    environment.ok(["build", "-o", "out"].into_iter().chain(flags).chain(["app"]));
    assert_eq!(environment.read("out/d"), "d\n");
    let web = std::fs::read(environment.path("out/web")).expect("the download");
    assert!(web == tar(&environment, "-z"), "as with BuildKit, a download is one file named context");
    assert_eq!(environment.read("out/stage"), "content of a\n");
    assert_eq!(environment.read("out/l"), environment.read("out/i"));
    assert_eq!(environment.read("out/l"), environment.read("out/pinned"));
}

#[test]
fn the_flags_of_a_build_reach_it() {
    let text = "ARG FROM_FLAG\nFROM base AS first\nARG FROM_FLAG=default\nARG FROM_ENVIRONMENT\n\
                COPY <<EOF /args\n$FROM_FLAG $FROM_ENVIRONMENT\nEOF\nFROM first AS second\nCOPY a /second\n";
    let environment = context(text).with("FROM_ENVIRONMENT", "environment");
    let flags = ["--build-arg", "FROM_FLAG=flag", "--build-arg", "FROM_ENVIRONMENT", "--target", "first"];
    let labels = ["--label", "a=b", "--label", "c"];
    let base = base(&tiny_base());
    let outputs = ["-o", "out", "-o", "type=image"];
    environment.ok(["build", &base].into_iter().chain(flags).chain(labels).chain(outputs).chain(["app"]));
    assert_eq!(environment.read("out/args"), "flag environment\n");
    assert!(!environment.path("out/second").exists(), "the target is the first stage");
    let digest = environment.ok(["images", "-q"]);
    let inspected = crate::support::json(environment.ok(["inspect", &digest]));
    let labels = &inspected["manifests"][0]["config"]["config"]["Labels"];
    assert_eq!((&labels["a"], &labels["c"], &labels["maker"]), (&"b".into(), &"".into(), &"fixture".into()));
}

#[test]
fn a_base_is_asked_for_by_tag_once_and_not_at_all_offline() {
    let Some(remote) = Remote::start() else { return };
    tiny_base().push(remote.address(), "library/tiny:1");
    let proxy = testkit::faulty_proxy::FaultyProxy::start(remote.address());
    let name = format!("{}/library/tiny:1", proxy.address());
    let environment = context(&format!("FROM {name} AS one\nFROM {name}\nCOPY --from=one /usr/bin/hello /hello\n"));
    environment.fails(1, ["build", "--offline", "app"]);
    environment.ok(["build", "app"]);
    let heads = || proxy.count("HEAD", "/manifests/1");
    assert_eq!(heads(), 1);
    environment.ok(["build", "app"]);
    assert_eq!(heads(), 2, "tags are asked for again, with one HEAD a build");
    let manifests = || proxy.count("GET", "/manifests/");
    assert_eq!(manifests(), 1, "and nothing is fetched that is known");
    let before = proxy.seen().len();
    environment.ok(["build", "--offline", "app"]);
    environment.ok(["build", "--pull=missing", "app"]);
    assert_eq!(proxy.seen().len(), before);
    environment.ok(["build", "--pull", "app"]);
    assert!(manifests() > 1, "--pull fetches anew");
}

#[test]
fn a_large_file_streams_through() {
    let environment = context("FROM scratch\nCOPY large /\n");
    let mut file = std::fs::File::create(environment.path("app/large")).expect("ours");
    let block = vec![7_u8; 1 << 20];
    (0..32).for_each(|_| file.write_all(&block).expect("ours"));
    let ended = environment.feed(&tar(&environment, "-z"), ["build", "-o", "out", "-"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(environment.path("out/large").metadata().expect("it").len(), 32 << 20);
}
