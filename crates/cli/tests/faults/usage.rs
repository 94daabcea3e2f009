//! A command line that is wrong: the whole message, exit code 2, and nothing done.

use crate::support::{app, assert_said, here};

/// The arguments between `build` and the context, and what is said about them.
#[track_caller]
fn assert_refused(arguments: &[&str], message: &str) {
    let environment = app("FROM scratch\nCOPY a /b\n");
    let arguments: Vec<&str> = ["build"].into_iter().chain(arguments.iter().copied()).chain(["app"]).collect();
    assert_said(&environment, &arguments, 2, message);
    assert!(!environment.store().exists(), "nothing was begun");
}

#[test]
fn bad_names() {
    let hint = "hint: [REGISTRY/]REPOSITORY[:TAG]\n";
    let message = "error: invalid value \"UPPER\" for --tag: invalid image reference \"UPPER\": \
                   repository names are lowercase\n";
    assert_refused(&["-t", "UPPER"], &format!("{message}{hint}"));
    let message = "error: invalid value \"a:latest\" for --tag: it is given twice\nhint: give each name once\n";
    assert_refused(&["-t", "a", "-t", "b", "-t", "a:latest"], message);
}

#[test]
fn bad_platforms() {
    for platform in ["linux/", "linux/a/b/c"] {
        let message = format!(
            "error: invalid value \"{platform}\" for --platform: invalid platform \"{platform}\": \
             expected os/architecture[/variant]\nhint: such as linux/amd64 or linux/arm/v7\n"
        );
        assert_refused(&["--platform", platform], &message);
    }
}

#[test]
fn outputs_that_contradict() {
    let message = "error: two outputs go to standard output\nhint: give all but one a dest=FILE\n";
    assert_refused(&["-o", "-", "-o", "type=oci"], message);
    let message = "error: the image's id and an output both go to standard output\n\
                   hint: leave out --quiet, or add dest=FILE\n";
    assert_refused(&["-q", "-o", "type=oci"], message);
    let message = "error: two outputs ask for different compressions\nhint: run two builds\n";
    assert_refused(&["-o", "type=oci,dest=x,compression=zstd", "-o", "type=oci,dest=y,compression=gzip"], message);
    let message = "error: docker's archives and engines take one platform, and several are built\n\
                   hint: use --push or type=oci, or build one --platform\n";
    assert_refused(&["--platform=linux/amd64,linux/arm64", "-o", "type=docker,dest=x"], message);
    let message = "error: a file system has no image id for --iidfile\nhint: leave out --iidfile, or use type=oci\n";
    assert_refused(&["--iidfile=id", "-o", "out"], message);
    let message =
        "error: --offline talks to no registry, and an output is pushed to one\nhint: leave one of them out\n";
    assert_refused(&["--offline", "-t", "x", "-o", "type=registry"], message);
}

#[test]
fn a_push_needs_a_name() {
    let message = "error: an image without a name cannot be pushed\nhint: add --tag REGISTRY/REPOSITORY:TAG\n";
    assert_refused(&["--push"], message);
    let message = "error: docker.io/library/a:1 is a tag, and push-by-digest pushes none\n\
                   hint: name the repository only\n";
    assert_refused(&["-o", "type=registry,push-by-digest=true,name=a:1"], message);
}

#[test]
fn bad_outputs() {
    let message =
        "error: invalid value \"type=ocl\" for --output: unknown output type \"ocl\"\nhint: did you mean \"oci\"?\n";
    assert_refused(&["-o", "type=ocl"], message);
    let message =
        "error: invalid value \"type=oci,tar=false\" for --output: it needs a directory\nhint: add dest=DIR\n";
    assert_refused(&["-o", "type=oci,tar=false"], message);
    let message = "error: --output type=registry,registry.insecure=true is not supported: \
                   which registries are insecure is configured\nhint: see containers-registries.conf(5)\n";
    assert_refused(&["-t", "a", "-o", "type=registry,registry.insecure=true"], message);
}

#[test]
fn what_is_not_there_yet_says_why() {
    let attest = (
        "attestations are made by BuildKit builders, and none is given",
        "give --builder, or leave it out: none is the default here",
    );
    let limit = (
        "buildx knows no such limit for BuildKit either",
        "limit the whole build, such as with systemd-run, or use --ulimit and --cgroup-parent",
    );
    let github = (
        "GitHub's cache service has no published interface and answers only its own jobs",
        "use type=registry,ref=ghcr.io/OWNER/IMAGE:cache, or type=local with a directory that actions/cache keeps",
    );
    let bucket =
        ("its service is not spoken to", "use type=registry, or type=local with a directory that the CI keeps");
    let cases = [
        ("--sbom=true", "--sbom", attest.0, attest.1),
        ("--provenance=mode=max", "--provenance", attest.0, attest.1),
        ("--attest=type=sbom", "--attest", attest.0, attest.1),
        ("--memory=1g", "--memory", limit.0, limit.1),
        ("--resource=memory=1g", "--resource", limit.0, limit.1),
        (
            "--security-opt=x",
            "--security-opt",
            "BuildKit has no such thing either",
            "use RUN --security=insecure and --allow security.insecure",
        ),
        ("--cache-from=type=gha", "--cache-from type=gha", github.0, github.1),
        ("--cache-to=type=gha,mode=max", "--cache-to type=gha", github.0, github.1),
        ("--cache-to=type=s3,region=x", "--cache-to type=s3", bucket.0, bucket.1),
        ("--policy=x", "--policy", "source policies are not evaluated yet", "pin bases by digest instead"),
        ("--squash", "--squash", "BuildKit has no such thing either", "use fewer COPY instructions"),
        ("--merge-layers", "--merge-layers", "layers are not merged yet", "use fewer COPY instructions"),
        ("--print=outline", "--print", "it is the old name of --call", "use --call"),
        ("--allow=device=x", "--allow device", "devices of the host are not given to RUN", "leave it out"),
    ];
    for (typed, flag, reason, hint) in cases {
        assert_refused(&[typed], &format!("error: {flag} is not supported: {reason}\nhint: {hint}\n"));
    }
}

#[test]
fn values_that_are_none() {
    let cases = [
        ("--network=hots", "hots", "--network", "no such network mode", "did you mean \"host\"?"),
        ("--shm-size=1q", "1q", "--shm-size", "the unit is none of k, m, g, t, p", "such as 64m or 1g"),
        ("--add-host=x", "x", "--add-host", "there is no address in it", "HOST=ADDRESS or HOST:ADDRESS"),
        ("--allow=netwrk.host", "netwrk.host", "--allow", "no such entitlement", "did you mean \"network.host\"?"),
        ("--attest=type=sbum", "type=sbum", "--attest", "unknown attestation \"sbum\"", "did you mean \"sbom\"?"),
        ("--build-context=x", "x", "--build-context", "there is no = in it", "NAME=DIR or NAME=URL"),
    ];
    for (typed, value, flag, reason, hint) in cases {
        assert_refused(&[typed], &format!("error: invalid value {value:?} for {flag}: {reason}\nhint: {hint}\n"));
    }
}

#[test]
fn an_unknown_flag_names_the_one_that_was_meant() {
    let environment = here();
    let (code, said) = crate::support::said(&environment, &["build", "--platfrom=x", "app"]);
    assert_eq!(code, Some(2));
    assert!(
        said.starts_with(
            "error: unexpected argument '--platfrom' found\n\n  tip: a similar argument exists: '--platform'\n"
        ),
        "{said}"
    );
}
