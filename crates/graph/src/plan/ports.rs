//! EXPOSE.

use std::net::IpAddr;

use crate::ErrorKind;

/// What one word of EXPOSE says.
pub(super) struct Ports {
    /// `port/protocol`, in order.
    pub(super) list: Vec<String>,
    /// Whether the protocol has upper case letters.
    pub(super) loud_protocol: bool,
    /// Whether an address or a host port was given, which mean nothing.
    pub(super) host_parts: bool,
}

/// Reads `[[address:]host:]port[-port][/protocol]`.
pub(super) fn parse(word: &str) -> Result<Ports, ErrorKind> {
    let refuse = |reason| ErrorKind::Port { port: word.to_owned(), reason };
    let (address, host, container) = split(word);
    let (ports, protocol) = container.split_once('/').unwrap_or((container, ""));
    if ports.is_empty() {
        return Err(refuse("no port"));
    }
    let protocol = if protocol.is_empty() { "tcp" } else { protocol };
    let lower = protocol.to_lowercase();
    if !matches!(lower.as_str(), "tcp" | "udp" | "sctp") {
        return Err(refuse("unknown protocol"));
    }
    if !is_address(address) {
        return Err(refuse("invalid address"));
    }
    let (first, last) = range(ports).ok_or_else(|| refuse("not a port from 0 to 65535 or a range of them"))?;
    if !host.is_empty() {
        let (from, to) = range(host).ok_or_else(|| refuse("invalid host port"))?;
        if to - from != last - first && first != last {
            return Err(refuse("ranges of different lengths"));
        }
    }
    Ok(Ports {
        list: (first..=last).map(|port| format!("{port}/{lower}")).collect(),
        loud_protocol: lower != protocol,
        host_parts: !address.is_empty() || !host.is_empty(),
    })
}

/// Address, host port, container port.
fn split(word: &str) -> (&str, &str, &str) {
    let Some((before, container)) = word.rsplit_once(':') else { return ("", "", word) };
    match before.rsplit_once(':') {
        None => ("", before, container),
        Some((address, host)) => (address, host, container),
    }
}

fn is_address(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    text.is_empty() || bare.parse::<IpAddr>().is_ok()
}

fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| text.strip_prefix('+').unwrap_or(text).parse::<u16>().ok();
    match text.split_once('-') {
        None => number(text).map(|port| (port, port)),
        Some((first, last)) if first == last => number(first).map(|port| (port, port)),
        Some((first, last)) => number(first).zip(number(last)).filter(|(first, last)| first <= last),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn ports_and_ranges() {
        let cases: &[(&str, &[&str])] = &[
            ("80", &["80/tcp"]),
            ("80/UDP", &["80/udp"]),
            ("8000-8002/sctp", &["8000/sctp", "8001/sctp", "8002/sctp"]),
            ("127.0.0.1:80:8080", &["8080/tcp"]),
            ("[::1]:80:8080", &["8080/tcp"]),
            ("80:90", &["90/tcp"]),
            ("80/", &["80/tcp"]),
            ("0080", &["80/tcp"]),
        ];
        for (word, expected) in cases {
            assert_eq!(parse(word).map(|ports| ports.list).expect("a port"), *expected, "{word}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for word in ["", "/tcp", "80/xyz", "65536", "a", "90-80", "x:80:80", "1-3:5-6", "-1", "80-"] {
            assert!(parse(word).is_err(), "{word}");
        }
    }
}
