//! Downloads from a server on the loopback interface.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use layer::{EntryKind, SourceTree, Timestamp};
use oci::Digest;
use rootfs::TreePath;
use shipsmith_context::{Error, http};
use url::Url;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nhello";

/// Answers each connection with one of the answers, in their order.
fn serve(answers: Vec<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).expect("a request") == 0 {
                    break;
                }
                seen.extend(byte);
            }
            stream.write_all(answer.as_bytes()).expect("a listener");
        }
    });
    address
}

async fn fetch(answers: &[&str], checksum: Option<&Digest>) -> Result<http::Download, Error> {
    let address = serve(answers.iter().map(|answer| (*answer).to_owned()).collect());
    let url = Url::parse(&format!("http://user:secret@{address}/dir/file.txt")).expect("a URL");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    http::fetch(&client, &url, checksum, &std::env::temp_dir()).await
}

#[tokio::test]
async fn a_file_arrives_with_its_time_and_becomes_a_tree() {
    let download = fetch(&[OK], None).await.expect("fetched");
    assert_eq!((download.size, &download.digest), (5, &Digest::of(b"hello")));
    assert!(!download.url.contains("secret"));
    let tree = download.into_tree("file.txt").expect("a tree");
    let path = TreePath::new("file.txt").expect("a path");
    let entry = tree.entry(&path).expect("readable").expect("there");
    assert_eq!((entry.kind, entry.mode), (EntryKind::File { size: 5 }, 0o600));
    assert_eq!(entry.mtime, Timestamp::from_seconds(784_111_777));
    let mut text = String::new();
    tree.content(&path).expect("content").open().expect("open").read_to_string(&mut text).expect("read");
    assert_eq!(text, "hello");
}

#[tokio::test]
async fn the_checksum_decides() {
    assert!(fetch(&[OK], Some(&Digest::of(b"hello"))).await.is_ok());
    let error = fetch(&[OK], Some(&Digest::of(b"other"))).await.err().expect("refused");
    assert!(matches!(error, Error::Checksum { .. }), "{error}");
    let sha512 = Digest::parse(&format!("sha512:{}", "0".repeat(128))).expect("a digest");
    let error = fetch(&[], Some(&sha512)).await.err().expect("refused");
    assert!(matches!(error, Error::ChecksumAlgorithm { .. }), "{error}");
}

#[tokio::test]
async fn redirects_are_followed() {
    let target = serve(vec![OK.to_owned()]);
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: http://{target}/other\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(fetch(&[&redirect], None).await.expect("fetched").size, 5);
}

#[tokio::test]
async fn refusals_and_short_bodies_are_errors_without_credentials() {
    let missing = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello";
    for (answer, sign) in [(missing, "404"), (short, "cannot fetch")] {
        let error = fetch(&[answer], None).await.err().expect("refused");
        let said = error.to_string();
        assert!(said.contains(sign) && said.contains("/dir/file.txt") && !said.contains("secret"), "{said}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    let url = Url::parse(&format!("http://{address}/x")).expect("a URL");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let error = http::fetch(&client, &url, None, &std::env::temp_dir()).await.err().expect("refused");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
