//! A bad network between the program and a real registry: what passes is overcome, what does not is a clear error, and
//! nothing half done has a name afterwards.

use testkit::environment::Environment;
use testkit::faulty_proxy::{Fault, FaultyProxy};
use testkit::registry_server::{RegistryOptions, RegistryServer};
use testkit::token_server::TokenOptions;

use crate::support::{
    Base, app, assert_done, assert_nothing_left, assert_nothing_unfinished, big_app, log_in, push_base, said, tags,
};

/// A registry behind a proxy.
struct Far {
    registry: RegistryServer,
    proxy: FaultyProxy,
}

impl Far {
    fn start() -> Option<Self> {
        Self::before(RegistryServer::start()?)
    }

    fn before(registry: RegistryServer) -> Option<Self> {
        let proxy = FaultyProxy::start(registry.address());
        Some(Self { registry, proxy })
    }

    fn name(&self) -> String {
        format!("{}/app:1", self.proxy.address())
    }

    /// Builds and pushes `app:1` through the proxy.
    fn push(&self, environment: &Environment) -> (Option<i32>, String) {
        said(environment, &["build", "--push", "-t", &self.name(), "app"])
    }

    /// Builds on `base:1` through the proxy, for an output that needs the base's layer.
    fn pull(&self, environment: &Environment) -> (Option<i32>, String) {
        let argument = format!("--build-arg=REGISTRY={}", self.proxy.address());
        said(environment, &["build", &argument, "-t", "x", "-o", "type=oci,dest=out.tar", "app"])
    }

    /// The push succeeded, and what the registry has is whole.
    #[track_caller]
    fn assert_pushed(&self, environment: &Environment) {
        assert_eq!(self.push(environment), (Some(0), String::new()));
        assert_eq!(tags(&self.registry, "app"), ["1"]);
        let other = crate::support::here();
        let direct = format!("{}/app:1", self.registry.address());
        assert_done(&other.run(["pull", &direct]));
        assert_nothing_unfinished(&other);
        assert_nothing_unfinished(environment);
    }
}

const PUSHED: &str = "FROM scratch\nCOPY a big /\n";
const PULLED: &str = "ARG REGISTRY\nFROM $REGISTRY/base:1\nCOPY a /a\n";

#[test]
fn a_busy_registry_is_asked_again() {
    let Some(far) = Far::start() else { return };
    far.proxy.fault(1, "POST", "/blobs/uploads/", Fault::with_header(429, &[("Retry-After", "1")]));
    far.proxy.fault(1, "POST", "/blobs/uploads/", Fault::status(503));
    far.proxy.fault(1, "PUT", "/manifests/", Fault::status(502));
    far.assert_pushed(&big_app(PUSHED));
    assert_eq!(far.proxy.count("POST", "/blobs/uploads/"), 4, "two blobs and two refusals");
}

#[test]
fn a_cut_upload_is_finished() {
    let Some(far) = Far::start() else { return };
    far.proxy.fault(2, "PUT", "/blobs/uploads/", Fault::CutRequest(300_000));
    far.assert_pushed(&big_app(PUSHED));
}

#[test]
fn an_expired_session_is_begun_again() {
    let Some(far) = Far::start() else { return };
    let body = r#"{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"blob upload unknown to registry"}]}"#;
    let expired = Fault::Answer { status: 404, headers: vec![], body: body.into() };
    far.proxy.fault(2, "PUT", "/blobs/uploads/", expired);
    far.assert_pushed(&big_app(PUSHED));
}

#[test]
fn a_lost_answer_is_no_failure() {
    let Some(far) = Far::start() else { return };
    far.proxy.fault(1, "PUT", "/blobs/uploads/", Fault::LoseResponse);
    far.proxy.fault(1, "PUT", "/manifests/", Fault::LoseResponse);
    far.assert_pushed(&big_app(PUSHED));
}

#[test]
fn a_cut_download_goes_on() {
    let Some((far, base, environment)) = far_base() else { return };
    let layer = format!("/blobs/{}", base.layer);
    far.proxy.fault(2, "GET", &layer, Fault::CutResponse(50));
    assert_eq!(far.pull(&environment), (Some(0), String::new()));
    assert!(far.proxy.count("GET", &layer) >= 3);
    assert_nothing_unfinished(&environment);
}

/// A registry with a base behind a proxy, and an environment that builds on it.
fn far_base() -> Option<(Far, Base, Environment)> {
    let far = Far::start()?;
    let base = push_base(&far.registry)?;
    Some((far, base, app(PULLED)))
}

/// The build fails because of its base: the sentence and the hint, with the place of FROM between them if the error has it.
#[track_caller]
fn assert_refused(far: &Far, environment: &Environment, sentence: &str, place: &str, hint: &str) {
    let (code, said) = far.pull(environment);
    assert_eq!(said, format!("error: {sentence}\n{place}{hint}"));
    assert_eq!(code, Some(3));
    assert!(!environment.path("out.tar").exists(), "no output");
    assert_nothing_left(environment);
}

const AT_FROM: &str = "Dockerfile:2\n  2 | FROM $REGISTRY/base:1\n    | ^^^^^^^^^^^^^^^^^^^^^\n";
const AT_COPY: &str = "Dockerfile:3\n  3 | COPY a /a\n    | ^^^^^^^^^\n";
const DAMAGED: &str = "hint: the content was damaged or changed on its way; nothing of it was kept\n";

#[test]
fn a_turned_bit_in_the_manifest() {
    let Some((far, base, environment)) = far_base() else { return };
    far.proxy.fault(9, "GET", "/manifests/", Fault::FlipBit(20));
    let mut bytes = base.text.clone().into_bytes();
    bytes[20] ^= 1;
    let (manifest, found) = (&base.manifest, oci::Digest::of(&bytes));
    let sentence =
        format!("cannot pull the manifest of REGISTRY/base@{manifest}: the content hashes to {found}, not {manifest}");
    assert_refused(&far, &environment, &sentence, AT_FROM, DAMAGED);
}

#[test]
fn a_turned_bit_in_the_config() {
    let Some((far, base, environment)) = far_base() else { return };
    far.proxy.fault(9, "GET", &format!("/blobs/{}", base.config), Fault::FlipBit(20));
    let (code, said) = far.pull(&environment);
    let start = format!("error: cannot pull blob {} of REGISTRY/base: the content hashes to sha256:", base.config);
    assert!(said.starts_with(&start), "{said}");
    assert!(said.ends_with(&format!(", not {}\n{AT_FROM}{DAMAGED}", base.config)), "{said}");
    assert_eq!(code, Some(3));
    assert_nothing_left(&environment);
}

#[test]
fn a_turned_bit_in_a_layer() {
    let Some((far, base, environment)) = far_base() else { return };
    far.proxy.fault(9, "GET", &format!("/blobs/{}", base.layer), Fault::FlipBit(300));
    let (code, said) = far.pull(&environment);
    let start = format!("error: cannot pull blob {} of REGISTRY/base: the content hashes to sha256:", base.layer);
    assert!(said.starts_with(&start), "{said}");
    assert!(said.ends_with(&format!(", not {}\n{AT_COPY}{DAMAGED}", base.layer)), "{said}");
    assert_eq!(code, Some(3));
    assert!(!environment.path("out.tar").exists(), "no output");
    assert_nothing_left(&environment);
}

#[test]
fn a_short_layer() {
    let Some((far, base, environment)) = far_base() else { return };
    far.proxy.fault(9, "GET", &format!("/blobs/{}", base.layer), Fault::WrongLength(-1));
    let (code, said) = far.pull(&environment);
    let start = format!("error: cannot pull blob {} of REGISTRY/base: the content has ", base.layer);
    assert!(said.starts_with(&start) && said.ends_with(DAMAGED), "{said}");
    assert_eq!(code, Some(3));
    assert_nothing_left(&environment);
}

#[test]
fn a_manifest_that_lies_about_sizes() {
    let Some((far, base, environment)) = far_base() else { return };
    let mut manifest: serde_json::Value = serde_json::from_str(&base.text).expect("JSON");
    let size = manifest["layers"][0]["size"].as_u64().expect("a size");
    manifest["layers"][0]["size"] = (size + 1).into();
    let headers = vec![("Content-Type".to_owned(), "application/vnd.oci.image.manifest.v1+json".to_owned())];
    let liar = Fault::Answer { status: 200, headers, body: manifest.to_string() };
    far.proxy.fault(9, "GET", "/manifests/", liar.clone());
    far.proxy.fault(9, "HEAD", "/manifests/", liar);
    let (code, said) = far.pull(&environment);
    let expected = format!(
        "error: cannot pull blob {} of REGISTRY/base: the content has {size} bytes, not {}\n{AT_COPY}{DAMAGED}",
        base.layer,
        size + 1
    );
    assert_eq!((code, said.as_str()), (Some(3), expected.as_str()));
    assert_nothing_left(&environment);
}

#[test]
fn a_web_page_instead_of_a_manifest() {
    let Some((far, _, environment)) = far_base() else { return };
    far.proxy.fault(9, "HEAD", "/manifests/", Fault::html());
    far.proxy.fault(9, "GET", "/manifests/", Fault::html());
    let sentence = "cannot look up REGISTRY/base:1: REGISTRY answered with a web page, not as a registry";
    let hint = "hint: is REGISTRY a container registry? a proxy or a login page may have answered in its place\n";
    assert_refused(&far, &environment, sentence, AT_FROM, hint);
}

#[test]
fn a_registry_that_keeps_failing_is_given_up() {
    let Some((far, _, environment)) = far_base() else { return };
    far.proxy.fault(99, "HEAD", "/manifests/", Fault::with_header(429, &[("Retry-After", "86400")]));
    let sentence = "cannot look up REGISTRY/base:1: REGISTRY answered 429 Too Many Requests";
    let hint = "hint: REGISTRY limits requests: wait, or log in with `shipsmith login REGISTRY`\n";
    assert_refused(&far, &environment, sentence, AT_FROM, hint);
}

#[test]
fn a_push_that_keeps_failing_gives_no_tag() {
    let Some(far) = Far::start() else { return };
    let environment = big_app(PUSHED);
    far.proxy.fault(99, "PUT", "/manifests/1", Fault::status(507));
    let (code, said) = far.push(&environment);
    let expected = "error: cannot push the manifest of REGISTRY/app:1: REGISTRY answered 507 Insufficient Storage\n";
    assert_eq!((code, said.as_str()), (Some(3), expected));
    assert_eq!(tags(&far.registry, "app"), [] as [&str; 0]);
    assert_nothing_left(&environment);
}

/// The canary sees whatever a redirect sends to another origin.
#[test]
fn a_redirect_takes_no_credentials_along() {
    let (Some(private), Some(open)) =
        (RegistryOptions::default().htpasswd("ann", "secret").start(), RegistryServer::start())
    else {
        return;
    };
    let Some(base) = push_base(&open) else { return };
    let (Some(far), canary) = (Far::before(private), FaultyProxy::start(open.address())) else { return };
    let environment = app(PULLED);
    log_in(&environment, far.proxy.address(), "ann", "secret");
    let from = format!("{}/base:1", canary.address());
    let name = format!("{}/base:1", far.proxy.address());
    assert_done(&environment.run(["copy", &from, &name]));
    let before = canary.seen().len();
    for method in ["GET", "HEAD"] {
        let target = format!("http://{}/v2/base/blobs/{}", canary.address(), base.layer);
        far.proxy.fault(9, method, &format!("/blobs/{}", base.layer), Fault::redirect(&target));
    }
    assert_eq!(far.pull(&environment), (Some(0), String::new()));
    assert!(far.proxy.seen().iter().any(|seen| seen.header("authorization").is_some()));
    assert!(canary.seen().len() > before, "the redirect was followed");
    assert!(canary.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

#[test]
fn an_endless_401_ends() {
    let Some((far, _, environment)) = far_base() else { return };
    log_in(&environment, far.proxy.address(), "ann", "secret");
    let again = Fault::with_header(401, &[("WWW-Authenticate", "Basic realm=\"again\"")]);
    far.proxy.fault(99, "HEAD", "/manifests/", again);
    let sentence = "cannot look up REGISTRY/base:1: the credentials were refused: REGISTRY answered 401 Unauthorized";
    assert_refused(&far, &environment, sentence, AT_FROM, "hint: run `shipsmith login REGISTRY`\n");
    assert!(far.proxy.count("HEAD", "/manifests/") <= 3);
}

#[test]
fn an_endless_401_with_good_tokens_ends() {
    let tokens = TokenOptions::default().start();
    let Some((far, _, environment)) = far_base() else { return };
    let challenge = format!("Bearer realm=\"{}\",service=\"test-registry\"", tokens.realm());
    far.proxy.fault(99, "HEAD", "/manifests/", Fault::with_header(401, &[("WWW-Authenticate", &challenge)]));
    let sentence = "cannot look up REGISTRY/base:1: REGISTRY answered 401 Unauthorized";
    assert_refused(&far, &environment, sentence, AT_FROM, "hint: run `shipsmith login REGISTRY`\n");
    assert!(tokens.seen().len() <= 3, "{}", tokens.seen().len());
}

#[test]
fn a_token_that_expires_in_the_middle_of_a_push_is_renewed() {
    let tokens = TokenOptions::default().user("ann", "secret").first_lifetimes(&[-3600]).start();
    let Some(registry) = RegistryOptions::default().token(&tokens).start() else { return };
    let environment = big_app(PUSHED);
    log_in(&environment, registry.address(), "ann", "secret");
    let name = format!("{}/app:1", registry.address());
    assert_eq!(said(&environment, &["build", "--push", "-t", &name, "app"]), (Some(0), String::new()));
    assert_eq!(tags(&registry, "app"), ["1"]);
}
