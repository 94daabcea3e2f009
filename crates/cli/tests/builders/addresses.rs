//! The ways to a builder: sockets, TLS that both sides prove themselves by, and programs that hand a connection on.

use std::net::TcpListener;

use testkit::authority::{Authority, Issued};
use testkit::tools::find;

use crate::support::{Daemon, Ground, PATH, stand_in};

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port is free").port()
}

#[test]
fn a_current_builder_is_reached_over_its_socket_and_over_tcp() {
    let port = format!("tcp://127.0.0.1:{}", free_port());
    let (Some(ground), Some(daemon)) = (Ground::new(), Daemon::start(&["--addr", &port])) else { return };
    ground.app("FROM scratch\nCOPY file /\n");
    for builder in [daemon.address(), port] {
        let here = ground.image(&[]);
        let there = ground.image(&["--builder", &builder]);
        assert!(here.differences(&there).is_empty(), "{:?}", here.differences(&there));
    }
}

#[test]
fn both_sides_prove_themselves_and_a_stranger_is_refused() {
    let Some(ground) = Ground::new() else { return };
    let (ours, foreign) = (Authority::default(), Authority::default());
    let write = |name: &str, text: &str| ground.environment.write(name, text).display().to_string();
    let files = |name: &str, issued: &Issued| {
        (write(&format!("{name}.pem"), &issued.certificate), write(&format!("{name}.key"), &issued.key))
    };
    let (ca, other) = (write("ca.pem", &ours.certificate()), write("other.pem", &foreign.certificate()));
    let (server, server_key) = files("server", &ours.server(&["127.0.0.1", "builder.test"]));
    let (client, client_key) = files("client", &ours.client());
    let (stranger, stranger_key) = files("stranger", &foreign.client());
    let port = format!("tcp://127.0.0.1:{}", free_port());
    let flags = ["--addr", &port, "--tlscacert", &ca, "--tlscert", &server, "--tlskey", &server_key];
    let Some(_daemon) = Daemon::start(&flags) else { return };
    ground.app("FROM scratch\nCOPY file /\n");
    let named = |ca: &str, cert: &str, key: &str| format!("{port}?ca={ca}&cert={cert}&key={key}");
    ground.builds(&["--builder", &named(&ca, &client, &client_key)]);
    ground.builds(&["--builder", &format!("{}&servername=builder.test", named(&ca, &client, &client_key))]);
    for wrong in [
        named(&other, &client, &client_key),
        named(&ca, &stranger, &stranger_key),
        format!("{port}?ca={ca}"),
        format!("{}&servername=another.test", named(&ca, &client, &client_key)),
        port.clone(),
    ] {
        let said = ground.fails(&["--builder", &wrong]);
        assert!(said.contains("cannot reach the builder tcp://"), "{wrong}: {said}");
    }
    let said = ground.fails(&["--builder", &named("absent.pem", &client, &client_key)]);
    assert!(said.contains("cannot use absent.pem") && said.contains("PEM"), "{said}");
}

#[test]
fn programs_hand_a_connection_on() {
    let (Some(ground), Some(daemon)) = (Ground::new(), Daemon::start(&[])) else { return };
    let Some(buildctl) = find("buildctl") else { return };
    ground.app("FROM BASE\nCOPY file /\n");
    let dial = |seen: &str| {
        let (log, client) = (ground.environment.path("log"), buildctl.path().display());
        format!("echo \"{seen}\" \"$@\" >> {}\nexec {client} --addr {} dial-stdio", log.display(), daemon.address())
    };
    stand_in(&ground.environment, "kubectl", &dial("kubectl"));
    let bin = stand_in(&ground.environment, "ssh", &dial("ssh"));
    let builds = |builder: &str| {
        let mut command = ground.environment.command(["build", "--progress=plain", "--builder", builder, "app"]);
        let ended = testkit::environment::ended(command.env("PATH", format!("{}:{PATH}", bin.display())));
        assert_eq!(ended.code, Some(0), "{builder}: {}", ended.stderr);
    };
    builds("ssh://me@host.test:2222");
    builds("kube-pod://builder-0?namespace=ci&container=buildkitd");
    let lines = ground.environment.read("log");
    let expected = "ssh -T -p 2222 -- me@host.test buildctl dial-stdio\n\
                    kubectl exec --stdin --namespace=ci --container=buildkitd builder-0 -- buildctl dial-stdio\n";
    assert_eq!(lines, expected);
}

#[test]
fn what_a_program_complains_of_is_told() {
    let Some(ground) = Ground::new() else { return };
    ground.app("FROM scratch\nCOPY file /\n");
    let bin = stand_in(&ground.environment, "ssh", "echo 'Permission denied (publickey).' >&2; exit 255");
    let mut command = ground.environment.command(["build", "--progress=plain", "--builder", "ssh://host.test", "app"]);
    let ended = testkit::environment::ended(command.env("PATH", format!("{}:{PATH}", bin.display())));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot reach the builder ssh://host.test"), "{}", ended.stderr);
    assert!(ended.stderr.contains("ssh ended: Permission denied (publickey)."), "{}", ended.stderr);
}

/// A client of Docker that knows one container, by files that stand for it.
const DOCKER: &str = r#"
echo "docker $*" >> DIR/log
[ "$1" = --context ] && shift 2
case "$1 $2" in
"container inspect")
    [ -e DIR/container ] || { echo "Error: No such container: $5" >&2; exit 1; }
    echo "$(cat DIR/running) $(cat DIR/container)" ;;
"container create")
    while [ "$1" != --label ]; do shift; done
    echo "${5} ${2#*=}" > DIR/container; echo false > DIR/running ;;
"container start") echo true > DIR/running ;;
"container rm") rm DIR/container ;;
"volume rm") ;;
exec*) case "$*" in *dial-stdio) exec CLIENT --addr ADDRESS dial-stdio ;; esac ;;
esac
"#;

#[test]
fn a_container_is_started_when_absent_and_anew_when_it_should_be_another() {
    let (Some(ground), Some(daemon)) = (Ground::new(), Daemon::start(&[])) else { return };
    let Some(buildctl) = find("buildctl") else { return };
    ground.app("FROM scratch\nCOPY file /\n");
    let script = DOCKER
        .replace("DIR", &ground.environment.work().display().to_string())
        .replace("CLIENT", &buildctl.path().display().to_string())
        .replace("ADDRESS", &daemon.address());
    let bin = stand_in(&ground.environment, "docker", &script);
    let builds = |options: &str| {
        let builder = format!("docker-container://b{options}");
        let mut command = ground.environment.command(["build", "--progress=plain", "--builder", &builder, "app"]);
        let ended = testkit::environment::ended(command.env("PATH", format!("{}:{PATH}", bin.display())));
        let log = std::fs::read_to_string(ground.environment.path("log")).unwrap_or_default();
        let _ = std::fs::remove_file(ground.environment.path("log"));
        (ended, log)
    };
    let (absent, _) = builds("");
    assert!(absent.stderr.contains("there is no container b, and no image to start it from"), "{}", absent.stderr);
    let created = |log: &str| log.contains("container create --name b --privileged");
    let (first, log) = builds("?image=buildkit:1");
    assert_eq!((first.code, created(&log)), (Some(0), true), "{log}{}", first.stderr);
    let (again, log) = builds("?image=buildkit:1&context=far");
    assert_eq!((again.code, created(&log)), (Some(0), false), "{log}{}", again.stderr);
    assert!(log.contains("docker --context far exec --interactive b buildctl dial-stdio"), "{log}");
    let (other, log) = builds("?image=buildkit:2");
    assert_eq!((other.code, created(&log)), (Some(0), true), "{log}{}", other.stderr);
    assert!(log.contains("container rm --force b"), "{log}");
    let config = ground.environment.write("buildkitd.toml", "debug = true\n").display().to_string();
    let (configured, log) = builds(&format!("?image=buildkit:2&config={config}"));
    assert_eq!((configured.code, created(&log)), (Some(0), true), "{log}{}", configured.stderr);
    assert!(log.contains(&format!("docker cp {config} b:/buildkitd.toml")), "{log}");
    let (restarted, log) = builds(&format!("?image=buildkit:2&config={config}&restart=true"));
    assert_eq!((restarted.code, created(&log)), (Some(0), true), "{log}{}", restarted.stderr);
}
