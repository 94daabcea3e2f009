//! What RUN sees: network, hosts, shared memory, limits, secrets, and what it is allowed.

use std::collections::BTreeSet;
use std::net::IpAddr;

use engine::{Entitlement, Level, Network, Runtime, SandboxOptions, Ulimit};

use super::{RequestError, Surroundings, agent, secret, suggest};
use crate::args::BuildArgs;

const ENTITLEMENTS: &[&str] = &["network.host", "security.insecure"];
const NETWORKS: &[&str] = &["default", "none", "host"];
const LIMITS: &[&str] = &[
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// What RUN is given.
pub(crate) fn options(args: &BuildArgs, around: &dyn Surroundings) -> Result<SandboxOptions, RequestError> {
    let network = args.network.as_deref().map(network).transpose()?.unwrap_or_default();
    let mut allowed = entitlements(&args.allow)?;
    // Who asks for it on the command line allows it, as with buildx.
    if network == Network::Host {
        allowed.insert(Entitlement::NetworkHost);
    }
    Ok(SandboxOptions {
        network,
        add_hosts: extra_hosts(&args.add_hosts)?,
        shm_size: args.shm_size.as_deref().map(|text| bytes("--shm-size", text)).transpose()?,
        ulimits: args.ulimits.iter().map(|text| ulimit(text)).collect::<Result<_, _>>()?,
        cgroup_parent: args.cgroup_parent.clone().filter(|parent| !parent.is_empty()),
        secrets: secret::secrets(&args.secrets, around)?,
        agents: agent::agents(&args.ssh, around)?,
        allowed,
        isolation: args.isolation.as_deref().map(level).transpose()?,
        runtime: args.runtime.as_deref().map(runtime).transpose()?,
    })
}

/// `--isolation LEVEL`.
pub(crate) fn level(text: &str) -> Result<Level, RequestError> {
    let names = Level::ALL.map(Level::name);
    text.parse()
        .map_err(|_| RequestError::invalid("--isolation", text, "no such level").or_hint(suggest::hint(text, &names)))
}

/// `--runtime NAME`.
fn runtime(text: &str) -> Result<Runtime, RequestError> {
    let names = Runtime::ALL.map(Runtime::name);
    text.parse()
        .map_err(|_| RequestError::invalid("--runtime", text, "no such runtime").or_hint(suggest::hint(text, &names)))
}

/// `--allow`: what RUN may ask for.
fn entitlements(names: &[String]) -> Result<BTreeSet<Entitlement>, RequestError> {
    let mut allowed = BTreeSet::new();
    for name in names.iter().filter(|name| !name.is_empty()) {
        match name.split('=').next().unwrap_or_default() {
            "network.host" => allowed.insert(Entitlement::NetworkHost),
            "security.insecure" => allowed.insert(Entitlement::SecurityInsecure),
            "device" => {
                let reason = "devices of the host are not given to RUN";
                return Err(RequestError::unsupported("--allow device", reason, "leave it out"));
            }
            "buildx.local.delete" => {
                let reason = "nothing is ever deleted from a destination";
                return Err(RequestError::unsupported("--allow buildx.local.delete", reason, "leave it out"));
            }
            other => {
                let error = RequestError::invalid("--allow", name, "no such entitlement");
                return Err(error.or_hint(suggest::hint(other, ENTITLEMENTS)));
            }
        };
    }
    Ok(allowed)
}

/// `--network MODE`.
fn network(text: &str) -> Result<Network, RequestError> {
    match text {
        "default" => Ok(Network::Default),
        "none" => Ok(Network::None),
        "host" => Ok(Network::Host),
        other => {
            Err(RequestError::invalid("--network", other, "no such network mode")
                .or_hint(suggest::hint(other, NETWORKS)))
        }
    }
}

/// `--add-host`: `HOST=ADDRESS` or `HOST:ADDRESS`, an IPv6 address with or without brackets, and
/// several entries or addresses separated by commas.
fn extra_hosts(texts: &[String]) -> Result<Vec<(String, String)>, RequestError> {
    let mut hosts = Vec::new();
    for text in texts {
        let mut last = None;
        for entry in text.split(',') {
            let (host, address) = match (split_host(entry), &last) {
                (Some(pair), _) => pair,
                (None, Some(host)) => (String::clone(host), entry),
                (None, None) => return Err(bad_host(text, "there is no address in it")),
            };
            let address = parse_address(text, address)?;
            last = Some(host.clone());
            hosts.push((host, address.to_string()));
        }
    }
    Ok(hosts)
}

/// The host and the address of an entry; nothing when the entry is another address only.
fn split_host(entry: &str) -> Option<(String, &str)> {
    if unbracketed(entry).parse::<IpAddr>().is_ok() {
        return None;
    }
    let (host, address) = entry.split_once('=').or_else(|| entry.split_once(':'))?;
    (!host.is_empty()).then(|| (host.to_owned(), address))
}

fn unbracketed(address: &str) -> &str {
    address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address)
}

fn parse_address(text: &str, address: &str) -> Result<IpAddr, RequestError> {
    if address == "host-gateway" {
        let reason = "there is no bridge between RUN and the host, so the host has no gateway address";
        return Err(RequestError::unsupported("--add-host=...:host-gateway", reason, "name the address"));
    }
    let reason = || format!("{address:?} is no IP address");
    unbracketed(address).parse().map_err(|_| bad_host(text, &reason()))
}

fn bad_host(text: &str, reason: &str) -> RequestError {
    RequestError::invalid("--add-host", text, reason).or_hint("HOST=ADDRESS or HOST:ADDRESS")
}

/// A size in bytes: with a binary unit (`64m`, `1.5g`, `2GiB`) in any case.
pub(crate) fn bytes(flag: &'static str, text: &str) -> Result<u64, RequestError> {
    let bad = |reason: &str| RequestError::invalid(flag, text, reason).or_hint("such as 64m or 1g");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| bad("it is no size"))?;
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let power = match unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(&unit) {
        "" if unit != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(bad("the unit is none of k, m, g, t, p")),
    };
    Ok((number * 1024_f64.powi(power)) as u64)
}

/// `--ulimit NAME=SOFT[:HARD]`.
fn ulimit(text: &str) -> Result<Ulimit, RequestError> {
    let bad = |reason: String| RequestError::invalid("--ulimit", text, reason);
    let form = "NAME=SOFT[:HARD], such as nofile=1024:2048; -1 is no limit";
    let (name, limits) = text.split_once('=').ok_or_else(|| bad("there is no = in it".into()).or_hint(form))?;
    if !LIMITS.contains(&name) {
        return Err(bad(format!("unknown limit {name:?}")).or_hint(suggest::hint(name, LIMITS)));
    }
    let number = |n: &str| n.parse::<i64>().map_err(|_| bad(format!("{n:?} is no number")).or_hint(form));
    let (soft, hard) = match limits.split_once(':') {
        Some((soft, hard)) => (number(soft)?, number(hard)?),
        None => (number(limits)?, number(limits)?),
    };
    if hard != -1 && (soft == -1 || soft > hard) {
        return Err(bad("the soft limit is above the hard one".into()));
    }
    Ok(Ulimit { name: name.to_owned(), soft, hard })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> Result<Vec<String>, RequestError> {
        let found = extra_hosts(&[text.to_owned()])?;
        Ok(found.iter().map(|h| format!("{} {}", h.0, h.1)).collect())
    }

    #[test]
    fn hosts_in_all_forms() {
        assert_eq!(hosts("a:10.0.0.1").unwrap(), ["a 10.0.0.1"]);
        assert_eq!(hosts("a=10.0.0.1").unwrap(), ["a 10.0.0.1"]);
        assert_eq!(hosts("a:::1").unwrap(), ["a ::1"]);
        assert_eq!(hosts("a=[2001:db8::1]").unwrap(), ["a 2001:db8::1"]);
        assert_eq!(hosts("a:[::1]").unwrap(), ["a ::1"]);
        assert_eq!(hosts("a=10.0.0.1,10.0.0.2,b=::2,::3").unwrap(), ["a 10.0.0.1", "a 10.0.0.2", "b ::2", "b ::3"]);
    }

    #[test]
    fn hosts_that_are_none() {
        assert!(hosts("a").is_err());
        assert!(hosts("10.0.0.1").is_err());
        assert!(hosts("=10.0.0.1").is_err());
        assert!(hosts("a:nowhere").is_err());
        assert!(hosts("a:host-gateway").unwrap_err().to_string().contains("not supported"));
    }

    #[test]
    fn sizes_have_binary_units() {
        let size = |text| bytes("--shm-size", text).unwrap();
        assert_eq!(size("0"), 0);
        assert_eq!(size("64"), 64);
        assert_eq!(size("64b"), 64);
        assert_eq!(size("64m"), 64 << 20);
        assert_eq!(size("64MB"), 64 << 20);
        assert_eq!(size("2 GiB"), 2 << 30);
        assert_eq!(size("1.5k"), 1536);
        assert_eq!(size("1t"), 1 << 40);
        for wrong in ["", "m", "-1", "1x", "1ib", "1mbb", "1.2.3"] {
            assert!(bytes("--shm-size", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn limits_are_soft_and_hard() {
        let limit = |name: &str, soft, hard| Ok(Ulimit { name: name.into(), soft, hard });
        assert_eq!(ulimit("nofile=1024:2048"), limit("nofile", 1024, 2048));
        assert_eq!(ulimit("nofile=1024"), limit("nofile", 1024, 1024));
        assert_eq!(ulimit("core=-1"), limit("core", -1, -1));
        assert_eq!(ulimit("core=0:-1"), limit("core", 0, -1));
        for wrong in ["nofile", "nofile=", "nofile=1:2:3", "nofile=3:2", "nofile=-1:2"] {
            assert!(ulimit(wrong).is_err(), "{wrong}");
        }
        assert_eq!(ulimit("nofiles=1").unwrap_err().hint().as_deref(), Some("did you mean \"nofile\"?"));
    }

    #[test]
    fn networks() {
        assert_eq!(network("none"), Ok(Network::None));
        assert_eq!(network("hots").unwrap_err().hint().as_deref(), Some("did you mean \"host\"?"));
    }
}
