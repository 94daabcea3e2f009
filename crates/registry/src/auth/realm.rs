//! Which token servers may be asked.
//!
//! A registry names its token server in the challenge of a 401 (`realm`), and the server is often another host
//! (Docker Hub: `registry-1.docker.io` and `auth.docker.io`), so the origin alone cannot decide. The rules:
//!
//! 1. A realm is taken only from the answer of the registry's own origin to a request of ours, never from a redirect's
//!    target, and it gets the credential that is configured for exactly that registry.
//! 2. It is asked over https; http is allowed only where the registry itself is reached over http.
//! 3. An address of this machine or of its link (a cloud's metadata service) is asked only when the registry is on this
//!    machine too, or has the same host name.
//! 4. Addresses that carry a user name or another scheme are refused, and the token server's redirects are not followed.

use std::net::IpAddr;

use url::{Host, Url};

use crate::error::{Cause, quote};

/// Reads the realm that the registry `name`, reached at `base`, has named.
pub(crate) fn check(name: &str, base: &Url, realm: &str) -> Result<Url, Cause> {
    let refuse = |reason| Cause::UntrustedRealm { host: name.to_owned(), realm: quote(realm), reason };
    let url = Url::parse(realm).map_err(|_| refuse("which is not an address"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("which carries credentials of its own"));
    }
    match (url.scheme(), base.scheme()) {
        ("https", _) | ("http", "http") => {}
        ("http", _) => return Err(refuse("which is not encrypted although the registry is")),
        _ => return Err(refuse("which is no web address")),
    }
    if is_near(&url) && !is_near(base) && url.host() != base.host() {
        return Err(refuse("which is on this machine or its link although the registry is not"));
    }
    Ok(url)
}

fn is_near(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(domain)) => crate::host::is_local_name(domain),
        Some(Host::Ipv4(address)) => is_near_address(address.into()),
        Some(Host::Ipv6(address)) => is_near_address(address.to_ipv4_mapped().map_or(address.into(), IpAddr::V4)),
        None => false,
    }
}

fn is_near_address(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    address.is_loopback() || address.is_unspecified() || link_local
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn realms_are_encrypted_and_not_next_door() {
        let allowed = |base: &str, realm: &str| check("r", &Url::parse(base).expect("url"), realm).is_ok();
        assert!(allowed("https://registry-1.docker.io/", "https://auth.docker.io/token"));
        assert!(allowed("http://127.0.0.1:5000/", "http://127.0.0.1:5001/token"));
        assert!(allowed("http://registry.lan/", "http://auth.lan/token"));
        for realm in [
            "http://auth.docker.io/token",
            "https://user:pw@auth.docker.io/token",
            "https://127.0.0.1/token",
            "https://[::ffff:127.0.0.1]/token",
            "https://169.254.169.254/latest",
            "https://localhost/token",
            "file:///etc/passwd",
            "token",
        ] {
            assert!(!allowed("https://registry-1.docker.io/", realm), "{realm}");
        }
    }
}
