//! Symbolic links planted where the builder makes or mounts something: they lead to nowhere but the image's own root.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::Ground;

/// Ways to the directory outside, as an image could hold them.
fn ways(canary: &Path) -> [String; 3] {
    let absolute = canary.display().to_string();
    [absolute.clone(), format!("{}{absolute}", "/..".repeat(30)), format!("/proc/1/root{absolute}")]
}

/// Builds `step` over a root file system in which `link` leads `way`.
fn planted(ground: &Ground, link: &str, way: &str, step: &str) {
    let plant = ground.environment().path("plant");
    fs::remove_dir_all(&plant).ok();
    let link = plant.join(link.trim_start_matches('/'));
    fs::create_dir_all(link.parent().expect("it is below")).expect("ours");
    symlink(way, &link).expect("ours");
    let dockerfile = format!("FROM scratch\nCOPY --from=base /bin /bin\nCOPY --from=plant / /\n{step}\n");
    // Some are refused, and may be.
    ground.build(&dockerfile, &["--no-cache", &format!("--build-context=plant={}", plant.display())]);
    ground.is_clean();
}

#[test]
fn targets_of_mounts_stay_inside() {
    let Some(ground) = Ground::new() else { return };
    for way in ways(ground.canary()) {
        for mount in ["type=bind", "type=bind,rw", "type=cache", "type=tmpfs"] {
            planted(
                &ground,
                "/esc",
                &way,
                &format!("RUN --mount={mount},target=/esc/new touch /esc/new/x /esc/y; true"),
            );
            planted(&ground, "/esc", &way, &format!("RUN --mount={mount},target=/esc touch /esc/x; true"));
            planted(&ground, "/esc", &format!("{way}/file"), &format!("RUN --mount={mount},target=/esc true"));
        }
        let secret = ground.environment().write("secret", "s");
        let flag = format!("--secret=id=s,src={}", secret.display());
        let step = "RUN --mount=type=secret,id=s,target=/esc/secret true";
        let dockerfile = format!("FROM base AS planted\nRUN ln -s {way} /esc\nFROM planted\n{step}\n");
        ground.build(&dockerfile, &[&flag]);
        ground.is_clean();
    }
}

#[test]
fn what_the_builder_mounts_by_itself_stays_inside() {
    let Some(ground) = Ground::new() else { return };
    for way in ways(ground.canary()) {
        for link in ["/proc", "/dev", "/sys", "/etc"] {
            planted(&ground, link, &way, "RUN touch /x");
        }
        for link in ["/etc/resolv.conf", "/etc/hosts"] {
            planted(&ground, link, &format!("{way}/file"), "RUN echo x >> /etc/resolv.conf; true");
            planted(&ground, link, &format!("{way}/new"), "RUN true");
        }
        for link in ["/dev/shm", "/dev/pts", "/dev/null", "/sys/fs/cgroup", "/dev/pipes", "/run"] {
            planted(&ground, link, &way, "RUN <<EOF\n#!/bin/sh\necho x > /dev/null\nEOF");
        }
    }
}

#[test]
fn the_working_directory_stays_inside() {
    let Some(ground) = Ground::new() else { return };
    for way in ways(ground.canary()) {
        planted(&ground, "/esc", &way, "WORKDIR /esc\nRUN touch x && rm file; true");
        planted(&ground, "/esc", &way, "WORKDIR /esc/new/deep\nRUN touch x");
        planted(&ground, "/esc", &way, "WORKDIR /esc\nRUN rm -rf /esc && ln -s /proc/self/cwd /esc\nRUN touch x; true");
    }
}

#[test]
fn accounts_are_those_of_the_image() {
    let Some(ground) = Ground::new() else { return };
    let passwd = ground.environment().write("elsewhere/passwd", "outside:x:7:7::/:/bin/sh\n");
    let dockerfile = format!("FROM base\nRUN ln -sf {} /etc/passwd\nUSER outside\nRUN true\n", passwd.display());
    assert!(ground.fails(&dockerfile, &[]).contains("outside"));
    ground.is_clean();
}

#[test]
fn sources_of_mounts_stay_inside_their_files() {
    let Some(ground) = Ground::new() else { return };
    for way in ways(ground.canary()) {
        let stage = format!("FROM base AS evil\nRUN ln -s {way} /esc && ln -s {way}/file /leak\nFROM base\n");
        for source in ["source=/esc", "source=/leak", "source=/esc/file", "source=../../../../leak"] {
            let step = format!("RUN --mount=from=evil,{source},target=/in cat /in /in/file | grep canary; false");
            let said = ground.fails(&format!("{stage}{step}\n"), &[]);
            assert!(!said.contains(crate::support::CANARY), "{said}");
            ground.is_clean();
        }
        let cache = "RUN --mount=type=cache,from=evil,source=/esc,target=/c cat /c/file; false";
        assert!(!ground.fails(&format!("{stage}{cache}\n"), &[]).contains(crate::support::CANARY));
    }
    ground.is_clean();
}

/// One build swaps a directory of a shared cache for a link and back while others mount something below it.
#[test]
fn a_swapper_wins_no_race_for_a_mount() {
    let Some(ground) = Ground::new() else { return };
    let outside = ground.canary().display().to_string();
    let swap = format!(
        "RUN --mount=type=cache,id=race,target=/c cd /c; mkdir -p real; \
         while [ ! -e stop ]; do rm -rf d; ln -s {outside} d; rm -f d; ln -s /proc/1/root{outside} d; rm -f d; \
         mkdir d; done; rm -rf d real stop"
    );
    let swapper = ground.arguments(&format!("FROM base\n{swap}\n"), &["--no-cache"]);
    let mut swapping = ground.environment().command(swapper).spawn().expect("it starts");
    let mounts = "--mount=type=cache,id=race,target=/c --mount=type=tmpfs,target=/c/d/x --mount=target=/c/d/y,rw";
    for _ in 0..20 {
        ground.build(&format!("FROM base\nRUN {mounts} touch /c/d/x/1 /c/d/y/1 /c/d/1; true\n"), &["--no-cache"]);
    }
    ground.builds("FROM base\nRUN --mount=type=cache,id=race,target=/c touch /c/stop\n", &["--no-cache"]);
    assert!(swapping.wait().expect("it ends").success());
    ground.is_clean();
}
