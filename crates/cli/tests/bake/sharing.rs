//! What several images have in common is done once, and goes over the network once.

use std::fmt::Write as _;

use testkit::environment::Environment;
use testkit::faulty_proxy::FaultyProxy;

use crate::project;
use crate::support::remote::Remote;

const IMAGES: usize = 4;

/// Images with a base, a layer that all share and one of their own, for a registry behind a proxy that counts.
fn four(remote: &Remote, proxy: &FaultyProxy) -> Environment {
    let base = format!("{}/bases/base:1", proxy.address());
    let mut bake = String::new();
    for number in 0..IMAGES {
        let _ = writeln!(
            bake,
            "target \"t{number}\" {{\n context = \"app\"\n tags = [\"{}/team/t{number}:1\"]\n\
             dockerfile-inline = \"FROM {base}\\nCOPY common /common\\nCOPY own{number} /own\\n\"\n}}",
            proxy.address()
        );
    }
    let project = project(&bake);
    project.write("app/common", "what all have\n");
    (0..IMAGES).for_each(|number| drop(project.write(&format!("app/own{number}"), number.to_string())));
    project.ok(["build", "--push", "-t", &remote.name("bases/base:1"), "app"]);
    project
}

fn bake<'a>(project: &Environment, more: &[&'a str]) {
    let names = ["t0", "t1", "t2", "t3"];
    project.ok(["bake", "--push"].iter().chain(&names).chain(more).collect::<Vec<&&'a str>>());
}

#[test]
fn a_layer_that_images_share_is_sent_once() {
    for compression in ["uncompressed", "gzip"] {
        let Some(remote) = Remote::start() else { return };
        let proxy = FaultyProxy::start(remote.address());
        let project = four(&remote, &proxy);
        bake(&project, &[&format!("--set=*.output=type=registry,compression={compression}")]);
        let seen = proxy.seen();
        // The shared layer, and of each image its own layer and its configuration.
        let sent = seen.iter().filter(|seen| seen.method == "PUT" && seen.target.contains("/blobs/uploads/")).count();
        assert_eq!(sent, 1 + 2 * IMAGES, "{compression}: {seen:#?}");
        assert_eq!(proxy.count("HEAD", "/v2/bases/base/manifests/1"), 1, "{compression}: the base's tag is asked once");
        assert_eq!(
            proxy.count("GET", "/v2/bases/base/blobs/"),
            1,
            "{compression}: of the base, only its configuration"
        );
        for number in 0..IMAGES {
            assert!(remote.image(&format!("team/t{number}:1")).files.contains_key("/common"));
        }
    }
}

#[test]
fn what_is_unchanged_is_asked_for_and_not_sent() {
    // Layers that are not stored here are not asked for either: the manifests that were pushed name them.
    for compression in ["gzip", "uncompressed"] {
        let Some(remote) = Remote::start() else { return };
        let proxy = FaultyProxy::start(remote.address());
        let project = four(&remote, &proxy);
        let output = format!("--set=*.output=type=registry,compression={compression}");
        bake(&project, &[&output]);
        // Files that were just written are not believed to be at rest.
        std::thread::sleep(std::time::Duration::from_millis(300));
        bake(&project, &[&output]);
        let before = proxy.seen().len();
        bake(&project, &[&output]);
        let seen = proxy.seen();
        let again = &seen[before..];
        let heads = again.iter().filter(|seen| seen.method == "HEAD").count();
        assert_eq!(heads, 1 + IMAGES, "{compression}: the base's tag and each image's: {again:#?}");
        let others = again.iter().filter(|seen| seen.method != "HEAD" && seen.target != "/v2/").count();
        assert_eq!(others, 0, "{compression}: {again:#?}");
    }
}
