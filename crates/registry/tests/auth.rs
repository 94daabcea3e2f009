//! Proof of identity: passwords, tokens, files, helpers.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use common::{blob, client, config, push, push_image, read, reference, repository};
use shipsmith_registry::{Cause, Client, Config, Credential, Credentials, Environment, Kind, Pushed, Secret, Stored};
use testkit::faulty_proxy::{Fault, FaultyProxy};
use testkit::registry_server::{RegistryOptions, RegistryServer};
use testkit::token_server::{TokenOptions, TokenServer};

fn basic(user: &str, password: &str) -> Credential {
    Credential::Basic { username: user.into(), password: Secret::new(password) }
}

fn knowing(address: &str, credential: Credential) -> Client {
    let (mut config, _) = config();
    config.credentials = Credentials::default().with(address, credential);
    Client::new(config)
}

/// The environment of a user whose home is `home`.
fn environment(home: &Path) -> Environment {
    let path = std::env::join_paths([home.join("bin"), "/bin".into(), "/usr/bin".into()]).expect("a path");
    Environment::new(home, [("HOME", home.as_os_str().to_owned()), ("PATH", path)])
}

fn at_home(home: &Path) -> Client {
    Client::new(Config::from(&environment(home)).expect("a configuration"))
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    fs::write(path, text).expect("written");
}

fn with_password() -> Option<RegistryServer> {
    RegistryOptions::default().htpasswd("ann", "pa:ss").start()
}

#[tokio::test]
async fn a_password_opens_what_is_closed_without() {
    let Some(server) = with_password() else { return };
    let (name, blob) = (reference(server.address(), "a:b"), blob(5000, 1));
    let error = client().head_manifest(&name).await.expect_err("nobody knows us");
    assert_eq!(error.kind(), Kind::Auth);
    assert!(matches!(error.cause(), Cause::Unauthorized { had_credentials: false, .. }));
    assert_eq!(error.hint(), Some(format!("run `shipsmith login {}`", server.address())));
    let wrong = knowing(server.address(), basic("ann", "wrong"));
    let error = push(&wrong, name.repository(), &blob).await.expect_err("the password is wrong");
    assert!(error.to_string().contains("the credentials were refused"), "{error}");
    let right = knowing(server.address(), basic("ann", "pa:ss"));
    push_image(&right, &name, 1).await;
    assert_eq!(push(&right, name.repository(), &blob).await.expect("pushed"), Pushed::Uploaded);
    assert_eq!(read(&right, name.repository(), &blob.0).await.expect("read"), blob.1);
    assert!(!format!("{error:?} {right:?}").contains("pa:ss"));
}

#[tokio::test]
async fn tokens_are_fetched_once_for_each_scope() {
    let tokens = TokenOptions::default().user("ann", "pa:ss").start();
    let Some(server) = RegistryOptions::default().token(&tokens).start() else { return };
    let client = knowing(server.address(), basic("ann", "pa:ss"));
    let name = reference(server.address(), "a:b");
    push_image(&client, &name, 1).await;
    push_image(&client, &name, 5).await;
    client.get_manifest(&name).await.expect("read");
    client.head_manifest(&name).await.expect("read");
    let asked: Vec<_> = tokens.seen().iter().map(|seen| seen.target.clone()).collect();
    assert_eq!(asked.len(), 2, "one to push, one to pull: {asked:?}");
    assert!(asked[0].contains("scope=repository%3Aa%3Apull%2Cpush") && asked[0].contains("account=ann"), "{asked:?}");
    let error = knowing(server.address(), basic("ann", "no")).get_manifest(&name).await.expect_err("wrong password");
    assert!(matches!(error.cause(), Cause::Unauthorized { had_credentials: true, .. }), "{error}");
    assert!(error.hint().expect("a hint").ends_with(&format!("login {}`", server.address())));
}

#[tokio::test]
async fn a_mount_asks_for_both_repositories() {
    let tokens = TokenOptions::default().start();
    let Some(server) = RegistryOptions::default().token(&tokens).start() else { return };
    let (client, blob) = (client(), blob(5000, 1));
    let [from, to] = ["x/from", "y/to"].map(|path| repository(server.address(), path));
    push(&client, &from, &blob).await.expect("pushed");
    assert_eq!(client.copy_blob(&from, &to, &blob.0).await.expect("mounted"), Pushed::Mounted(from));
    let last = tokens.seen().last().expect("a request").target.clone();
    assert!(last.contains("x%2Ffrom%3Apull") && last.contains("y%2Fto%3Apull%2Cpush"), "{last}");
}

#[tokio::test]
async fn tokens_are_renewed_before_they_expire() {
    let tokens = TokenOptions::default().expires_in(100).start();
    let Some(server) = RegistryOptions::default().token(&tokens).start() else { return };
    let (config, clock) = config();
    let (client, name) = (Client::new(config), reference(server.address(), "a:b"));
    for seconds in [0, 89, 2, 0] {
        clock.advance(Duration::from_secs(seconds));
        client.head_manifest(&name).await.expect("asked");
    }
    assert_eq!(tokens.seen().len(), 2);
}

#[tokio::test]
async fn a_token_that_the_registry_refuses_is_replaced() {
    let tokens = TokenOptions::default().first_lifetimes(&[-120]).start();
    let Some(server) = RegistryOptions::default().token(&tokens).start() else { return };
    let (client, to, blob) = (client(), repository(server.address(), "a"), blob(5000, 1));
    assert_eq!(push(&client, &to, &blob).await.expect("pushed"), Pushed::Uploaded);
    assert_eq!(tokens.seen().len(), 2);
}

#[tokio::test]
async fn a_token_may_end_in_the_middle_of_a_long_push() {
    let tokens = TokenOptions::default().start();
    let Some(server) = RegistryOptions::default().token(&tokens).start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let challenge = format!("Bearer realm=\"{}\",service=\"{}\"", tokens.realm(), TokenServer::SERVICE);
    proxy.fault(1, "PUT", "/blobs/uploads/", Fault::with_header(401, &[("WWW-Authenticate", &challenge)]));
    let (client, to, blob) = (client(), repository(proxy.address(), "a"), blob(900_000, 1));
    assert_eq!(push(&client, &to, &blob).await.expect("pushed"), Pushed::Uploaded);
    assert_eq!((tokens.seen().len(), proxy.count("PUT", "/blobs/uploads/")), (2, 2));
    assert_eq!(read(&client, &to, &blob.0).await.expect("read"), blob.1);
}

#[tokio::test]
async fn a_registry_that_is_never_satisfied_is_given_up() {
    let tokens = TokenOptions::default().start();
    let Some(server) = RegistryOptions::default().token(&tokens).start() else { return };
    let proxy = FaultyProxy::start(server.address());
    let challenge = format!("Bearer realm=\"{}\"", tokens.realm());
    proxy.fault(99, "GET", "/manifests/", Fault::with_header(401, &[("WWW-Authenticate", &challenge)]));
    let error = client().get_manifest(&reference(proxy.address(), "a:b")).await.expect_err("a loop");
    assert_eq!(error.kind(), Kind::Auth, "{error}");
    assert_eq!(proxy.count("GET", "/manifests/"), 3);
}

#[tokio::test]
async fn an_identity_token_is_exchanged() {
    let tokens = TokenOptions::default().user("ann", "x").identity_token("refresh-me").start();
    let Some(server) = RegistryOptions::default().token(&tokens).start() else { return };
    let client = knowing(server.address(), Credential::IdentityToken(Secret::new("refresh-me")));
    push_image(&client, &reference(server.address(), "a:b"), 1).await;
    assert_eq!(tokens.seen()[0].method, "POST");
    assert!(!tokens.seen()[0].target.contains("refresh-me"));
}

#[tokio::test]
async fn a_realm_of_another_kind_sees_no_password() {
    let Some(server) = RegistryServer::start() else { return };
    let (proxy, canary) = (FaultyProxy::start(server.address()), FaultyProxy::start(server.address()));
    for realm in [format!("http://user:pw@{}/token", canary.address()), "file:///etc/passwd".into()] {
        let challenge = format!("Bearer realm=\"{realm}\"");
        proxy.fault(1, "GET", "/manifests/", Fault::with_header(401, &[("WWW-Authenticate", &challenge)]));
        let client = knowing(proxy.address(), basic("ann", "pa:ss"));
        let error = client.get_manifest(&reference(proxy.address(), "a:b")).await.expect_err("refused");
        assert!(matches!(error.cause(), Cause::UntrustedRealm { .. }), "{error}");
    }
    assert!(canary.seen().is_empty());
}

#[tokio::test]
async fn login_writes_what_docker_would_and_logout_removes_it() {
    let Some(server) = with_password() else { return };
    let home = tempfile::tempdir().expect("a home");
    let file = home.path().join(".docker/config.json");
    write(&file, r#"{"HttpHeaders":{"X":"y"},"auths":{"other.example":{"auth":"YTpi"}}}"#);
    let client = at_home(home.path());
    let error = client.login(server.address(), "ann", Secret::new("wrong")).await.expect_err("refused");
    assert_eq!(error.kind(), Kind::Auth, "{error}");
    assert!(!fs::read_to_string(&file).expect("a file").contains(server.address()));

    let stored = client.login(server.address(), "ann", Secret::new("pa:ss")).await.expect("accepted");
    assert_eq!(stored, Stored::File(file.clone()));
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    let written: serde_json::Value = serde_json::from_slice(&fs::read(&file).expect("a file")).expect("json");
    assert_eq!(written["auths"][server.address()]["auth"], "YW5uOnBhOnNz");
    assert_eq!(written["HttpHeaders"]["X"], "y");
    assert_eq!(fs::read_dir(home.path().join(".docker")).expect("a directory").count(), 1, "nothing is left over");
    push_image(&client, &reference(server.address(), "a:b"), 1).await;

    assert!(client.logout(server.address()).await.expect("logged out"));
    assert!(!client.logout(server.address()).await.expect("nothing to do"));
    let left: serde_json::Value = serde_json::from_slice(&fs::read(&file).expect("a file")).expect("json");
    assert_eq!(left["auths"], serde_json::json!({"other.example": {"auth": "YTpi"}}));
}

/// A helper that keeps one credential in a file.
const HELPER: &str = r#"#!/bin/sh
cd "${0%/bin/*}"
case "$1" in
get) read -r server; if [ -f kept ]; then cat kept; else echo "credentials not found in native keychain"; exit 1; fi ;;
store) cat > kept ;;
erase) rm kept ;;
esac
"#;

#[tokio::test]
async fn credential_helpers_are_asked_and_told() {
    let Some(server) = with_password() else { return };
    let home = tempfile::tempdir().expect("a home");
    let helper = home.path().join("bin/docker-credential-box");
    write(&helper, HELPER);
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).expect("executable");
    write(&home.path().join(".docker/config.json"), r#"{"credsStore":"box"}"#);
    let client = at_home(home.path());
    let name = reference(server.address(), "a:b");
    assert_eq!(client.head_manifest(&name).await.expect_err("nothing kept").kind(), Kind::Auth);
    let stored = client.login(server.address(), "ann", Secret::new("pa:ss")).await.expect("accepted");
    assert_eq!(stored, Stored::Helper("box".into()));
    let kept = fs::read_to_string(home.path().join("kept")).expect("kept");
    assert_eq!(kept, format!(r#"{{"ServerURL":"{}","Username":"ann","Secret":"pa:ss"}}"#, server.address()));
    assert!(!fs::read_to_string(home.path().join(".docker/config.json")).expect("a file").contains("auth\""));
    push_image(&client, &name, 1).await;
    assert!(client.logout(server.address()).await.expect("logged out"));
    assert!(!home.path().join("kept").exists());
}

#[tokio::test]
async fn a_helper_that_is_not_installed_is_named() {
    let Some(server) = with_password() else { return };
    let home = tempfile::tempdir().expect("a home");
    for (helper, words) in [("nowhere", "it is configured but not installed"), ("../x", "not a helper's name")] {
        let text = format!(r#"{{"credHelpers":{{"{}":"{helper}"}}}}"#, server.address());
        write(&home.path().join(".docker/config.json"), &text);
        let error = at_home(home.path()).head_manifest(&reference(server.address(), "a:b")).await.expect_err("no");
        assert_eq!(error.kind(), Kind::Config, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn podmans_file_knows_namespaces() {
    let Some(server) = with_password() else { return };
    let home = tempfile::tempdir().expect("a home");
    let address = server.address();
    let text =
        format!(r#"{{"auths":{{"{address}":{{"auth":"YW5uOndyb25n"}},"{address}/team":{{"auth":"YW5uOnBhOnNz"}}}}}}"#);
    write(&home.path().join(".config/containers/auth.json"), &text);
    let client = at_home(home.path());
    push_image(&client, &reference(address, "team/app:b"), 1).await;
    let error = client.head_manifest(&reference(address, "teams/app:b")).await.expect_err("another namespace");
    assert!(error.to_string().contains("the credentials were refused"), "{error}");
}

#[tokio::test]
async fn a_broken_file_is_named_and_not_quoted() {
    let Some(server) = with_password() else { return };
    let home = tempfile::tempdir().expect("a home");
    let file = home.path().join(".docker/config.json");
    write(&file, "{\"auths\":{\"x\":{\"auth\":\"aHVudGVyMg==\" oops");
    let error = at_home(home.path()).head_manifest(&reference(server.address(), "a:b")).await.expect_err("broken");
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.to_string().contains(&file.display().to_string()), "{error}");
    assert!(!format!("{error} {error:?}").contains("aHVudGVyMg"));
}
