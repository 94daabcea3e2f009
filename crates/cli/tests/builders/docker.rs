//! The builder inside a Docker engine: what it is given, and what comes of it.

use crate::support::{Engine, Ground, PATH, stand_in, tcp_to};

const EPOCH: &str = "--build-arg=SOURCE_DATE_EPOCH=1700000000";

#[test]
fn an_engine_builds_the_image_that_this_process_builds() {
    let (Some(ground), Some(engine)) = (Ground::new(), Engine::start()) else { return };
    ground.app(
        "FROM BASE AS made\nARG greeting=none\nRUN mkdir -p /made/below && echo \"$greeting\" > /made/below/file && ln -s \
         below/file /made/link && chmod 4755 /made/below/file\nFROM BASE\nCOPY . /app/\nCOPY --from=made /made /made\n\
         ENV PLACE=here\nWORKDIR /app\nUSER 12:34\nLABEL own=yes\nCMD [\"cat\", \"file\"]\n",
    );
    ground.environment.write("app/.dockerignore", "*.log\n.dockerignore\n");
    ground.environment.write("app/left.log", "never sent\n");
    ground.environment.write("app/deep/below/file", "content below\n");
    std::os::unix::fs::symlink("deep/below", ground.environment.path("app/link")).expect("it is ours");
    let flags = [EPOCH, "--build-arg=greeting=hello", "--label=more=label", "--network=none"];
    let here = ground.image(&flags);
    let there = ground.image(&[&flags[..], &["--builder", &engine.builder]].concat());
    let differences = here.differences(&there);
    assert!(differences.is_empty(), "{differences:?}");
}

#[test]
fn the_result_is_in_the_store_and_in_registries_with_the_bases_own_layers() {
    let (Some(ground), Some(engine)) = (Ground::new(), Engine::start()) else { return };
    ground.app("FROM BASE\nRUN echo made > /made\n");
    let name = format!("{}/app:1", ground.registry.address());
    let label = format!("--label=ground={}", ground.environment.work().display());
    ground.builds(&["--builder", &engine.builder, "--network=none", "-t", &name, "--push", &label]);
    let layers = |name: &str| -> Vec<String> {
        let inspect = ["inspect", "--tls-verify=false", "--format={{range .Layers}}{{println .}}{{end}}"];
        let skopeo = testkit::tools::require("skopeo").expect("the base was pushed with it");
        let said = skopeo.run(inspect.iter().chain(&[format!("docker://{name}").as_str()])).text();
        said.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    };
    let (base, app) = (layers(&format!("{}:latest", ground.base())), layers(&name));
    assert_eq!((&app[..base.len()], app.len()), (&base[..], base.len() + 1));
    ground.builds(&["--builder", &engine.builder, "--network=none", "-t", "local/app:1", &label]);
    let images = ground.environment.ok(["images"]);
    assert!(images.contains("local/app") && !images.contains("shipsmith.invalid"), "{images}");
    let left = engine.docker.run(&["images", "--quiet", &label.replace("--label=", "--filter=label=")]).text();
    assert_eq!(left, "", "the engine keeps nothing of it");
}

#[test]
fn arguments_targets_hosts_and_networks_reach_it() {
    let (Some(ground), Some(engine)) = (Ground::new(), Engine::start()) else { return };
    ground.app(
        "FROM BASE AS first\nARG word\nRUN test \"$word\" = given\nRUN grep '10.1.2.3.*some.host' /etc/hosts\n\
         RUN test \"$(ls /sys/class/net)\" = lo\nFROM first AS second\nRUN false\n",
    );
    let flags = ["--network=none", "--target=first", "--build-arg=word=given", "--add-host=some.host:10.1.2.3"];
    let said = ground.builds(&[&flags[..], &["--no-cache", "--builder", &engine.builder]].concat());
    assert!(said.contains("RUN test"), "{said}");
}

#[test]
fn a_second_build_sends_changed_files_only() {
    let (Some(ground), Some(engine)) = (Ground::new(), Engine::start()) else { return };
    ground.app("FROM scratch\nCOPY . /app/\n");
    ground.environment.write("app/big", "x".repeat(300_000));
    let sent = || {
        let said = ground.builds(&["--builder", &engine.builder, "-o", "type=cacheonly"]);
        let words = said.split("sent ").nth(1).unwrap_or_else(|| panic!("no bytes are told: {said}"));
        words.split(' ').next().and_then(|number| number.parse::<u64>().ok()).expect("a number")
    };
    let first = sent();
    assert!(first >= 300_000, "everything is sent: {first}");
    ground.environment.write("app/file", "other content\n");
    let second = sent();
    assert!(second < 1_000, "one small file has changed, and {second} bytes were sent");
}

#[test]
fn thousands_of_small_files_are_sent() {
    let (Some(ground), Some(engine)) = (Ground::new(), Engine::start()) else { return };
    ground.app("FROM BASE\nCOPY . /all/\nRUN test \"$(find /all -type f | wc -l)\" = 8002\n");
    for number in 0..8000 {
        ground.environment.write(&format!("app/below/{}/{number}", number % 40), number.to_string());
    }
    ground.builds(&["--builder", &engine.builder, "--network=none"]);
}

#[test]
fn secrets_and_agents_are_there_while_it_runs_and_nowhere_afterwards() {
    let (Some(ground), Some(engine)) = (Ground::new(), Engine::start()) else { return };
    const SECRET: &str = "the-secret-that-nobody-keeps";
    ground.environment.write("secret", SECRET);
    ground.app(
        "FROM BASE\nRUN --mount=type=secret,id=it --mount=type=ssh test \"$(wc -c < /run/secrets/it)\" = 28 && test -S \
         \"$SSH_AUTH_SOCK\" && echo they were there > /made\n",
    );
    let key = testkit::tools::require("ssh-keygen");
    let Some(key) = key else { return };
    let path = ground.environment.path("key").display().to_string();
    key.run(["-q", "-t", "ed25519", "-N", "", "-f", &path]);
    let (secret, agent) = ("--secret=id=it,src=secret", format!("--ssh=default={path}"));
    let flags = ["--builder", &engine.builder, "--network=none", secret, &agent, "--no-cache"];
    let said = ground.builds(&[&flags[..], &["-o", "type=oci,dest=image.tar"]].concat());
    assert!(!said.contains(SECRET), "{said}");
    let archive = std::fs::read(ground.environment.path("image.tar")).expect("an archive");
    assert!(!archive.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
    let without = ground.fails(&["--builder", &engine.builder, "--network=none", "--no-cache"]);
    assert!(without.contains("ssh") || without.contains("secret"), "{without}");
}

#[test]
fn the_credential_of_a_registry_is_lent_to_who_pulls_from_it() {
    let Some(engine) = Engine::start() else { return };
    let Some(ground) = Ground::new() else { return };
    let server = testkit::registry_server::RegistryOptions::default().htpasswd("user", "word").start();
    let Some(server) = server else { return };
    let skopeo = testkit::tools::require("skopeo").expect("the base was pushed with it");
    let to = format!("docker://{}/private:latest", server.address());
    let from = format!("docker://{}:latest", ground.base());
    let copy = ["copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--dest-creds=user:word"];
    skopeo.run(copy.iter().chain(&[from.as_str(), to.as_str()]));
    ground.environment.feed(b"word", ["login", "-u", "user", "--password-stdin", server.address()]);
    ground.app(&format!("FROM {}/private\nRUN echo made > /made\n", server.address()));
    ground.builds(&["--builder", &engine.builder, "--network=none"]);
    ground.environment.ok(["logout", server.address()]);
    let refused = ground.fails(&["--builder", &engine.builder, "--network=none", "--no-cache", "--pull"]);
    assert!(refused.contains("401") || refused.contains("login"), "{refused}");
}

#[test]
fn a_context_of_dockers_client_names_the_engine() {
    let (Some(ground), Some(engine)) = (Ground::new(), Engine::start()) else { return };
    ground.app("FROM scratch\nCOPY file /\n");
    let host = format!("host=unix://{}", engine.socket().display());
    let mut create = std::process::Command::new("docker");
    ground.environment.confine(&mut create);
    let created = testkit::environment::ended(create.args(["context", "create", "here", "--docker", &host]));
    assert_eq!(created.code, Some(0), "{}", created.stderr);
    let said = ground.builds(&["--builder", "docker://here"]);
    assert!(said.contains("is built on docker://here"), "{said}");
    let absent = ground.fails(&["--builder", "docker://elsewhere"]);
    assert!(absent.contains("there is no context elsewhere"), "{absent}");
}

#[test]
fn an_engine_is_reached_over_tcp_and_through_ssh() {
    let (Some(ground), Some(engine)) = (Ground::new(), Engine::start()) else { return };
    ground.app("FROM scratch\nCOPY file /\n");
    let tcp = tcp_to(engine.socket());
    let dial = format!(
        "echo \"$@\" >> {}\nexec docker --host unix://{} system dial-stdio",
        ground.environment.path("log").display(),
        engine.socket().display()
    );
    let bin = stand_in(&ground.environment, "ssh", &dial);
    for host in [format!("tcp://{tcp}"), "ssh://me@host.test:2222".to_owned()] {
        let mut command = ground.environment.command(["build", "--progress=plain", "--builder=docker://", "app"]);
        command.env("DOCKER_HOST", &host).env("PATH", format!("{}:{PATH}", bin.display()));
        let ended = testkit::environment::ended(&mut command);
        assert_eq!(ended.code, Some(0), "{host}: {}", ended.stderr);
    }
    let log = ground.environment.read("log");
    assert!(log.lines().all(|line| line == "-T -p 2222 -- me@host.test docker system dial-stdio"), "{log}");
    assert!(!log.is_empty());
}

#[test]
fn what_an_old_builder_would_pass_over_is_refused() {
    let (Some(ground), Some(engine)) = (Ground::new(), Engine::start()) else { return };
    let version = engine.docker.run(&["version", "--format={{.Server.Version}}"]).text();
    if version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_none_or(|major| major >= 23) {
        return;
    }
    ground.app("FROM scratch\nCOPY file /\n");
    for flag in ["--ulimit=nofile=10", "--build-context=more=app", "--shm-size=1m", "--sbom=true"] {
        let said = ground.fails(&["--builder", &engine.builder, flag]);
        assert!(said.contains("older than BuildKit 0.11"), "{flag}: {said}");
    }
    let said = ground.fails(&["--builder", &engine.builder, "--run=skip"]);
    assert!(said.contains("--run=skip or --run=refuse on a builder is not supported"), "{said}");
}
