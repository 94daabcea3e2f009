//! What stands between us and a registry, and whom we trust there: proxies and authorities of the environment.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use testkit::authority::Authority;
use testkit::registry_server::{RegistryOptions, RegistryServer};

use crate::support::{Environment, context};

/// A registry's host that no name server knows.
const FAR: &str = "far.example";

fn app() -> Environment {
    context("FROM scratch\nCOPY a /\n")
}

/// Says in registries.conf that the far registry speaks no TLS.
fn insecure(environment: &Environment) {
    let directory = environment.home().join(".config/containers");
    fs::create_dir_all(&directory).expect("the home is ours");
    let text = format!("[[registry]]\nlocation = \"{FAR}\"\ninsecure = true\n");
    fs::write(directory.join("registries.conf"), text).expect("the home is ours");
}

/// A registry takes requests that name it whole, as a proxy gets them.
#[test]
fn an_http_proxy_of_the_environment_is_used_unless_told_not_to() {
    let Some(registry) = RegistryServer::start() else { return };
    let proxy = format!("http://{}", registry.address());
    let name = format!("{FAR}/app:1");
    for variable in ["http_proxy", "ALL_PROXY"] {
        let environment = app().with(variable, &proxy);
        insecure(&environment);
        environment.ok(["build", "--push", "-t", &name, "app"]);
        environment.ok(["inspect", "--raw", &format!("{}/app:1", registry.address())]);
    }
    let environment = app().with("http_proxy", &proxy).with("NO_PROXY", format!("other,{FAR}"));
    insecure(&environment);
    let said = environment.fails(3, ["build", "--push", "-t", &name, "app"]);
    assert!(said.contains(FAR) && said.contains("hint: "), "{said}");
}

/// A proxy that leads every tunnel to `registry`. What clients say first is checked: they offer HTTP/2.
fn tunnel(registry: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let registry = registry.to_owned();
    thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let registry = registry.clone();
            thread::spawn(move || lead(&client, &registry));
        }
    });
    format!("http://{address}")
}

fn lead(client: &TcpStream, registry: &str) -> io::Result<()> {
    let mut from_client = BufReader::new(client.try_clone()?);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") && from_client.read_line(&mut request)? > 0 {}
    assert!(request.starts_with(&format!("CONNECT {FAR}:443 ")), "{request}");
    let server = TcpStream::connect(registry)?;
    let (mut to_client, mut to_server) = (client, server.try_clone()?);
    to_client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let hello = from_client.fill_buf()?;
    assert!(hello.windows(12).any(|bytes| bytes == b"\x02h2\x08http/1.1"), "HTTP/2 is offered");
    let back = client.try_clone()?;
    thread::spawn(move || io::copy(&mut &server, &mut &back));
    io::copy(&mut from_client, &mut to_server).map(drop)
}

#[test]
fn https_goes_through_a_tunnel_to_whom_the_environments_authorities_vouch_for() {
    let authority = Authority::default();
    let issued = authority.server(&[FAR]);
    let Some(registry) = RegistryOptions::default().tls(&issued.certificate, &issued.key).start() else { return };
    let proxy = tunnel(registry.address());
    let name = format!("{FAR}/app:1");

    let environment = app().with("HTTPS_PROXY", &proxy);
    let said = environment.fails(3, ["build", "--push", "-t", &name, "app"]);
    assert!(said.contains(&format!("certs.d/{FAR}/ca.crt")), "nobody vouches for it: {said}");

    let directory = environment.home().join(format!(".config/containers/certs.d/{FAR}"));
    fs::create_dir_all(&directory).expect("the home is ours");
    fs::write(directory.join("ca.crt"), authority.certificate()).expect("the home is ours");
    environment.ok(["build", "--push", "-t", &name, "app"]);

    let environment = app().with("HTTPS_PROXY", &proxy);
    let file = environment.write("authority.pem", authority.certificate());
    let environment = environment.with("SSL_CERT_FILE", file);
    environment.ok(["build", "--push", "-t", &format!("{FAR}/app:2"), "app"]);
    environment.ok(["inspect", "--raw", &format!("{FAR}/app:1")]);
}
