//! A plan, written out as a bake file with a staged context for each image and platform.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::ground::{BOTH, Ground};
use crate::support::json;

#[test]
fn the_same_plan_through_bake_json_gives_the_same_images() {
    let Some(ground) = Ground::new() else { return };
    let hub = ground.hub("planned");
    let asked = [hub.as_str(), "--tag=1", "--variants=default,distroless", BOTH];
    ground.environment.ok(ground.bake(asked.into_iter().chain(["--push"])));
    let planned = json(ground.environment.ok(ground.bake(asked.into_iter().chain(["--print"]))));
    let images = planned["images"].as_array().expect("a list");
    assert!(images.len() > 20, "{}", images.len());
    let targets: Vec<Baked> = images.iter().flat_map(|image| baked(&ground, image)).collect();
    let definition: Map<String, Value> =
        targets.iter().map(|baked| (baked.name.clone(), baked.definition.clone())).collect();
    let names: Vec<&String> = definition.keys().collect();
    let file = json!({ "group": { "default": { "targets": names } }, "target": definition });
    ground.environment.write("bake.json", file.to_string());
    ground.environment.ok(["bake", "-f", "bake.json", "--push", "--run=skip"]);
    for baked in targets {
        let index = ground.remote.manifest(&format!("planned/{}", baked.planned));
        let manifests = match &index["manifests"] {
            Value::Array(manifests) => manifests.clone(),
            _ => Vec::new(),
        };
        let of_platform = manifests.iter().find(|entry| entry["platform"]["architecture"] == *baked.arch);
        let expected = of_platform.map_or_else(
            || ground.remote.digest(&format!("planned/{}", baked.planned)),
            |entry| entry["digest"].as_str().expect("a digest").to_owned(),
        );
        assert_eq!(ground.remote.digest(&format!("baked/{}:1", baked.name)), expected, "{}", baked.name);
    }
}

/// An image of a plan for one platform.
struct Baked {
    /// The target's name, and the image's.
    name: String,
    definition: Value,
    /// What the plan calls it: `NAME:TAG`.
    planned: String,
    arch: String,
}

fn baked(ground: &Ground, image: &Value) -> Vec<Baked> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let platforms = image["platforms"].as_array().expect("a list");
    let tag = text(&image["tags"][0]);
    let planned = tag.rsplit_once("planned/").expect("it is below the hub").1.to_owned();
    let one = |platform: &Value| {
        let arch = text(platform).split_once('/').expect("a platform").1.to_owned();
        let name = format!("{}-{arch}", planned.replace(':', "-"));
        let context = ground.environment.path(&format!("staged/{name}"));
        stage(&ground.environment.work(), &image["contexts"][text(platform)], &context);
        let definition = json!({
            "context": context,
            "dockerfile": ground.environment.path(&text(&image["dockerfile"])),
            "args": image["args"],
            "platforms": [platform],
            "tags": [ground.remote.name(&format!("baked/{name}:1"))],
        });
        Baked { name, definition, planned: planned.clone(), arch }
    };
    platforms.iter().map(one).collect()
}

/// Puts copies where the mapping says, with the modes that Istio's habits give them.
fn stage(root: &Path, mapping: &Value, context: &Path) {
    fs::create_dir_all(context).expect("the directory is ours");
    for (place, real) in mapping.as_object().into_iter().flatten() {
        let real = root.join(real.as_str().expect("a path"));
        copy(&real, &context.join(place));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("below the context")).expect("the directory is ours");
    if from.is_dir() {
        let names = fs::read_dir(from).expect("readable").map(|entry| entry.expect("readable").file_name());
        return names.map(PathBuf::from).for_each(|name| copy(&from.join(&name), &to.join(&name)));
    }
    fs::copy(from, to).expect("the directory is ours");
    let executable = fs::metadata(from).expect("readable").permissions().mode() & 0o100 != 0;
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).expect("the directory is ours");
}
