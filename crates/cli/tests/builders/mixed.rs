//! One index by several builders, and who builds what.

use crate::support::{Engine, Ground};
use serde_json::Value;

/// A Dockerfile that has something to run for one platform only.
const MIXED: &str = "FROM BASE AS for-amd64\nRUN echo run > /made\nFROM scratch AS for-arm64\nCOPY file /made\n\
                     FROM for-${TARGETARCH}\nLABEL both=yes\n";

#[test]
fn one_index_comes_of_a_builder_and_this_process() {
    let (Some(ground), Some(engine)) = (Ground::new(), Engine::start()) else { return };
    ground.app(MIXED);
    let builders = format!("--builders=linux/amd64={},linux/arm64={0}", engine.builder);
    let platforms = "--platform=linux/amd64,linux/arm64";
    let said = ground.builds(&[platforms, &builders, "--network=none", "-o", "type=oci,dest=both,tar=false"]);
    assert!(said.contains(&format!("linux/amd64 is built on {}", engine.builder)), "{said}");
    assert!(said.contains("linux/arm64 is built in this process"), "{said}");
    let images = testkit::canonical::read_images(&ground.environment.path("both")).expect("a layout");
    assert_eq!(images.keys().map(String::as_str).collect::<Vec<_>>(), ["linux/amd64", "linux/arm64"]);
    let index: Value = serde_json::from_str(&ground.environment.read("both/index.json")).expect("JSON");
    assert_eq!(index["manifests"].as_array().map(Vec::len), Some(1), "one index: {index}");
    for (platform, image) in &images {
        let alone = ground.image(&["--network=none", &format!("--platform={platform}")]);
        let differences = alone.differences(image);
        assert!(differences.is_empty(), "{platform}: {differences:?}");
    }
}

#[test]
fn what_needs_no_run_is_built_here_though_its_platform_has_a_builder() {
    let Some(ground) = Ground::new() else { return };
    ground.app("FROM BASE\nCOPY file /\n");
    let nowhere = format!("unix://{}", ground.environment.path("no.sock").display());
    let said = ground.builds(&[&format!("--builders=linux/amd64={nowhere},linux/arm64={nowhere}")]);
    assert!(said.contains("is built in this process"), "{said}");
}

#[test]
fn builders_are_read_from_the_environment_and_unmapped_platforms_are_built_here() {
    let Some(ground) = Ground::new() else { return };
    ground.app("FROM BASE\nRUN echo made > /made\n");
    let nowhere = format!("unix://{}", ground.environment.path("no.sock").display());
    for variable in ["SHIPSMITH_BUILDERS", "LINUXKIT_BUILDERS"] {
        let run = |platform: &str| {
            let mut command = ground.environment.command(["build", "--progress=plain", "--network=none", "app"]);
            testkit::environment::ended(command.env(variable, format!("{platform}={nowhere}")))
        };
        let host = if cfg!(target_arch = "x86_64") { "linux/amd64" } else { "linux/arm64" };
        assert!(run(host).stderr.contains("cannot reach the builder"), "{variable}");
        let here = run("linux/riscv64");
        assert_eq!(here.code, Some(0), "{}", here.stderr);
        assert!(here.stderr.contains(&format!("{host} is built in this process")), "{}", here.stderr);
    }
}
