//! `--cache-to` and `--cache-from`: what one machine ran, another need not.
//!
//! A step that would print another number each time shows whether it was run.

use std::fs;
use std::path::Path;

use testkit::faulty_proxy::{Fault, FaultyProxy};
use testkit::fixtures::busybox_base;
use testkit::registry_server::RegistryServer;

use crate::levels::ordinary;
use crate::support::Ground;

/// Two stages whose steps never make the same twice.
const DOCKERFILE: &str = "FROM base AS tools\n\
    RUN cat /proc/sys/kernel/random/uuid > /tool\n\
    FROM base\n\
    RUN cat /proc/sys/kernel/random/uuid > /own\n\
    COPY --from=tools /tool /tool\n";

/// What a build on a machine that has never seen the Dockerfile makes with `flags`.
fn elsewhere(flags: &[&str]) -> Option<(String, String)> {
    let other = Ground::new()?;
    let said = other.builds(DOCKERFILE, flags);
    Some((other.digest(DOCKERFILE, flags), said))
}

#[test]
fn a_directory_carries_every_step() {
    let Some(ground) = Ground::new() else { return };
    let cache = ground.environment().path("cache");
    let (to, from) = (format!("--cache-to=type=local,dest={},mode=max", cache.display()), cache.display());
    let digest = ground.digest(DOCKERFILE, &[&to]);
    let (same, said) = elsewhere(&[&format!("--cache-from=type=local,src={from}")]).expect("root");
    assert_eq!(same, digest);
    assert_eq!(said.matches(" CACHED").count(), 2, "{said}");
    assert!(!said.contains("prepare a sandbox"), "{said}");
    let (other, _) = elsewhere(&[]).expect("root");
    assert_ne!(other, digest);
    ground.is_clean();
}

#[test]
fn the_least_carries_the_steps_of_the_image_alone() {
    let Some(ground) = Ground::new() else { return };
    let cache = ground.environment().path("cache");
    let digest = ground.digest(DOCKERFILE, &[&format!("--cache-to=type=local,dest={}", cache.display())]);
    let (other, said) = elsewhere(&[&format!("--cache-from=type=local,src={}", cache.display())]).expect("root");
    assert_ne!(other, digest, "the tool was made anew");
    assert_eq!(said.matches(" CACHED").count(), 1, "{said}");
}

#[test]
fn a_registry_carries_it_and_an_image_its_own() {
    let (Some(ground), Some(registry)) = (Ground::new(), RegistryServer::start()) else { return };
    let cache = format!("{}/team/app:cache", registry.address());
    let to = format!("--cache-to=type=registry,ref={cache},mode=max");
    let digest = ground.digest(DOCKERFILE, &[&to]);
    let (same, said) = elsewhere(&[&format!("--cache-from={cache}")]).expect("root");
    assert_eq!(same, digest, "{said}");

    let image = format!("{}/team/app:1", registry.address());
    ground.builds(
        "FROM base\nRUN cat /proc/sys/kernel/random/uuid > /own\n",
        &["--push", "-t", &image, "--cache-to=type=inline"],
    );
    let other = Ground::new().expect("root");
    let said =
        other.builds("FROM base\nRUN cat /proc/sys/kernel/random/uuid > /own\n", &[&format!("--cache-from={image}")]);
    assert_eq!(said.matches(" CACHED").count(), 1, "{said}");
}

/// The base's layer is unpacked for the step and written to the archive; it comes over the wire once.
#[test]
fn a_base_that_a_step_and_an_output_need_is_fetched_once() {
    let (Some(base), Some(ground), Some(registry)) = (busybox_base(), Ground::new(), RegistryServer::start()) else {
        return;
    };
    if base.push(registry.address(), "base:1").is_none() {
        return;
    }
    let proxy = FaultyProxy::start(registry.address());
    let dockerfile = format!("FROM {}/base:1\nRUN touch /x\n", proxy.address());
    ground.builds(&dockerfile, &["--output=type=oci,dest=app.tar"]);
    assert_eq!(proxy.count("GET", &base.layer()), 1);
}

/// How many layers lie unpacked in the store.
fn trees(ground: &Ground) -> usize {
    let inside = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let schemes = inside(&ground.environment().store().join("shipsmith/trees"));
    schemes.flat_map(|scheme| inside(&scheme)).flat_map(|algorithm| inside(&algorithm)).count()
}

/// It is unpacked while it comes, and checked meanwhile: what is not what it should be gets no name.
#[test]
fn a_base_that_arrives_damaged_is_never_run_over() {
    let (Some(base), Some(ground), Some(registry)) = (busybox_base(), Ground::new(), RegistryServer::start()) else {
        return;
    };
    if base.push(registry.address(), "base:1").is_none() {
        return;
    }
    let proxy = FaultyProxy::start(registry.address());
    proxy.fault(99, "GET", &format!("/blobs/{}", base.layer()), Fault::FlipBit(300));
    let ended = ground.build(&format!("FROM {}/base:1\nRUN echo $((123456789 * 9))\n", proxy.address()), &[]);
    assert!(ended.code != Some(0) && !ended.stderr.contains("1111111101"), "{}", ended.stderr);
    assert_eq!(trees(&ground), 0);
    ground.builds(&format!("FROM {}/base:1\nRUN touch /x\n", registry.address()), &[]);
    assert_eq!(trees(&ground), 2, "of the base and of the step");
    ground.is_clean();
}

#[test]
fn a_cache_that_is_not_there_is_told_of_and_done_without() {
    let (Some(ground), Some(registry)) = (Ground::new(), RegistryServer::start()) else { return };
    let from = format!("--cache-from={}/nobody/nothing:1", registry.address());
    let said = ground.builds(DOCKERFILE, &[&from]);
    assert!(said.contains("cannot be used"), "{said}");
}

#[test]
fn a_cache_that_cannot_be_written_fails_the_build_unless_that_is_no_matter() {
    let Some(ground) = Ground::new() else { return };
    let file = ground.environment().write("file", "in the way");
    let to = format!("--cache-to=type=local,dest={}/cache", file.display());
    let ended = ground.build(DOCKERFILE, &[&to]);
    assert_ne!(ended.code, Some(0), "{}", ended.stderr);
    let said = ground.builds(DOCKERFILE, &[&format!("{to},ignore-error=true")]);
    assert!(said.contains("no cache was written"), "{said}");
}

/// Also from root to an ordinary user: owners, modes and links are what they were.
#[test]
fn cache_mounts_are_taken_to_another_machine() {
    let (Some(ground), Some(other)) = (Ground::new(), Ground::new()) else { return };
    let mounts = "--mount=type=cache,id=../plain,target=/p --mount=type=cache,target=/o,uid=1000,gid=50,mode=0700";
    let fill =
        "echo kept > /p/file && ln -s file /p/link && chown -h 5:6 /p/link && chmod 4750 /p/file && touch /o/mine";
    ground.builds(&format!("FROM base\nRUN {mounts} {fill}\n"), &[]);
    let export = |to: &str| ground.environment().ok(["cache", "export-mounts", to]);
    let carried = other.environment().path("carried").display().to_string();
    assert_eq!(export(&carried), export(&carried), "a second time goes over the first");
    // Between two commands all files become the tester's, which leaves their groups alone.
    let look = "test $(cat /p/link) = kept && test -e /o/mine && \
                test $(stat -c %g:%a /p/link /o | tr '\\n' ,) = 6:777,50:700,";
    let import = ["cache".to_owned(), "import-mounts".to_owned(), carried];
    let build = other.arguments(&format!("FROM base\nRUN {mounts} {look}\n"), &["--isolation=subuid"]);
    for arguments in [import.as_slice(), &build] {
        let ended = ordinary(&other, "subuid", arguments);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    ground.is_clean();
}
