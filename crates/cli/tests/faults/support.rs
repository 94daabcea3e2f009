//! One environment per test, what the program said in it, and what it left behind.

use std::fs;
use std::path::{Path, PathBuf};

use oci::Digest;
use serde_json::Value;
use testkit::environment::{Ended, Environment};
use testkit::registry_server::RegistryServer;

/// An empty environment whose temporary files are its own as well.
pub(crate) fn here() -> Environment {
    let environment = Environment::new(env!("CARGO_BIN_EXE_shipsmith"));
    let temporary = temporary(&environment);
    fs::create_dir(&temporary).expect("the home is ours");
    environment.with("TMPDIR", temporary)
}

fn temporary(environment: &Environment) -> PathBuf {
    environment.home().join("tmp")
}

/// The same with a context `app`, of this Dockerfile and a file `a`.
pub(crate) fn app(dockerfile: &str) -> Environment {
    let environment = here();
    environment.write("app/Dockerfile", dockerfile);
    environment.write("app/a", "content\n");
    environment
}

/// The same with a file `big` that does not compress.
pub(crate) fn big_app(dockerfile: &str) -> Environment {
    let environment = app(dockerfile);
    environment.write("app/big", noise(2 << 20));
    environment
}

/// Bytes that do not repeat soon.
fn noise(size: usize) -> Vec<u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(size).collect()
}

/// How the program ended and what it said beside its progress, in words that are the same on every run.
pub(crate) fn said(environment: &Environment, arguments: &[&str]) -> (Option<i32>, String) {
    let shows = matches!(arguments.first(), Some(&"build" | &"push" | &"pull" | &"copy"));
    let quiet = shows && !arguments.contains(&"-q");
    let ended = environment.run(arguments.iter().copied().chain(quiet.then_some("--progress=none")));
    (ended.code, plain(environment, &ended.stderr))
}

/// Text with this run's paths and ports replaced by names.
pub(crate) fn plain(environment: &Environment, text: &str) -> String {
    let paths = [(environment.store(), "STORE"), (environment.work(), "WORK"), (environment.home(), "HOME")];
    let named =
        paths.iter().fold(text.to_owned(), |text, (path, name)| text.replace(&path.display().to_string(), name));
    let mut parts = named.split("127.0.0.1:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, rest| text + "REGISTRY" + rest.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// Asserts how a command line ends and all that it says, on an environment of its own.
#[track_caller]
pub(crate) fn assert_said(environment: &Environment, arguments: &[&str], code: i32, message: &str) {
    let (ended, said) = said(environment, arguments);
    assert_eq!(said, message, "{arguments:?}");
    assert_eq!(ended, Some(code), "{arguments:?}");
}

/// The store is whole, names nothing, and no file that was being written is still there.
#[track_caller]
pub(crate) fn assert_nothing_left(environment: &Environment) {
    assert_eq!(environment.ok(["images", "--quiet"]), "", "no image has a name or is kept");
    assert_nothing_unfinished(environment);
}

/// The store is whole, and no file that was being written is still there.
#[track_caller]
pub(crate) fn assert_nothing_unfinished(environment: &Environment) {
    assert_whole(environment);
    let ingest = environment.store().join("shipsmith/ingest");
    assert_eq!(files(&ingest), [] as [PathBuf; 0], "nothing is half written in the store");
    assert_eq!(files(&temporary(environment)), [] as [PathBuf; 0], "no temporary file stays");
    let ours = |path: &PathBuf| path.display().to_string().contains("/.shipsmith-");
    assert_eq!(files(&environment.work()).into_iter().find(ours), None, "no output is half written");
}

/// Every blob of the store is what its name says, and every image has all its parts.
#[track_caller]
pub(crate) fn assert_whole(environment: &Environment) {
    let store = store::Store::open(environment.store()).expect("the store opens");
    assert_eq!(store.verify().expect("the store is read"), []);
}

/// All files below a directory, which need not exist.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let below = |path: PathBuf| if path.is_dir() && !path.is_symlink() { files(&path) } else { vec![path] };
    entries.flat_map(|entry| below(entry.expect("the directory is read").path())).collect()
}

/// The tags that a registry has in a repository, as its files say.
pub(crate) fn tags(registry: &RegistryServer, repository: &str) -> Vec<String> {
    let directory = registry.data().join("docker/registry/v2/repositories").join(repository).join("_manifests/tags");
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut tags: Vec<String> =
        entries.map(|entry| entry.expect("a tag").file_name().to_string_lossy().into_owned()).collect();
    tags.sort();
    tags
}

/// What `shipsmith inspect` says of an image.
pub(crate) fn inspect(environment: &Environment, image: &str) -> Value {
    serde_json::from_str(&environment.ok(["inspect", image])).expect("JSON")
}

/// The registry's image `base:1`: its manifest's text and the digests of manifest, config and layer.
pub(crate) struct Base {
    pub(crate) text: String,
    pub(crate) manifest: Digest,
    pub(crate) config: Digest,
    pub(crate) layer: Digest,
}

/// Puts a small base image into a registry as `base:1`. `None`: skip this test.
pub(crate) fn push_base(registry: &RegistryServer) -> Option<Base> {
    let fixture = testkit::fixtures::tiny_base();
    fixture.push(registry.address(), "base:1")?;
    let tagged = registry.data().join("docker/registry/v2/repositories/base/_manifests/tags/1/current/link");
    let manifest = Digest::parse(&fs::read_to_string(tagged).expect("the tag")).expect("a digest");
    let text = fs::read_to_string(fixture.layout().join("blobs/sha256").join(manifest.hex())).expect("the manifest");
    let value: Value = serde_json::from_str(&text).expect("JSON");
    let digest = |value: &Value| Digest::parse(value["digest"].as_str().expect("a digest")).expect("a digest");
    Some(Base { manifest, config: digest(&value["config"]), layer: digest(&value["layers"][0]), text })
}

/// Writes docker's file of credentials.
pub(crate) fn log_in(environment: &Environment, address: &str, user: &str, password: &str) {
    use base64::Engine as _;
    let secret = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let auths = serde_json::json!({ "auths": { address: { "auth": secret } } });
    fs::write(environment.docker_config(), auths.to_string()).expect("the file is ours");
}

/// What ended well.
#[track_caller]
pub(crate) fn assert_done(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
