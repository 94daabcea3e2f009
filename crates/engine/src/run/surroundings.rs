//! What a process finds around it: name resolution, its environment, limits.

use std::fs;

use graph::RunOp;

use super::user::User;

/// The host name where nothing else is asked, as with BuildKit.
const HOSTNAME: &str = "buildkitsandbox";
/// The host's name servers: RUN shares the host's network.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The host name that the process sees.
pub(crate) fn hostname(op: &RunOp) -> &str {
    op.hostname.as_deref().filter(|name| !name.is_empty()).unwrap_or(HOSTNAME)
}

/// `/etc/hosts`, as BuildKit writes it.
pub(crate) fn hosts(op: &RunOp) -> Vec<u8> {
    let mut text = format!("127.0.0.1\tlocalhost {}\n::1\tlocalhost ip6-localhost ip6-loopback\n", hostname(op));
    for (host, address) in &op.extra_hosts {
        text.push_str(&format!("{address}\t{host}\n"));
    }
    text.into_bytes()
}

/// `/etc/resolv.conf`: the host's, empty if it has none.
pub(crate) fn resolv_conf() -> Vec<u8> {
    fs::read(RESOLV_CONF).unwrap_or_default()
}

/// The variables of the process, in order: the step's, proxies that it does not set, and `HOME`.
pub(crate) fn environment(op: &RunOp, user: &User) -> Vec<(String, String)> {
    let mut env = op.env.clone();
    let missing = |env: &[(String, String)], name: &str| env.iter().all(|(known, _)| known != name);
    for (name, value) in &op.proxy {
        if missing(&env, name) {
            env.push((name.clone(), value.clone()));
        }
    }
    if missing(&env, "HOME") {
        env.push(("HOME".into(), user.home.clone()));
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::tests::op;

    #[test]
    fn hosts_are_what_buildkit_writes() {
        let mut op = op();
        let text = |op: &RunOp| String::from_utf8(hosts(op)).expect("text");
        assert!(text(&op).starts_with("127.0.0.1\tlocalhost buildkitsandbox\n"));
        op.hostname = Some("here".into());
        op.extra_hosts = vec![("far".into(), "10.0.0.1".into())];
        let lines = "127.0.0.1\tlocalhost here\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.0.1\tfar\n";
        assert_eq!(text(&op), lines);
    }

    #[test]
    fn the_steps_own_variables_win() {
        let mut op = op();
        op.env = vec![("http_proxy".into(), "mine".into())];
        op.proxy = vec![("http_proxy".into(), "given".into()), ("no_proxy".into(), "x".into())];
        let user = User { uid: 0, gid: 0, groups: Vec::new(), home: "/root".into() };
        let shown: Vec<String> =
            environment(&op, &user).iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["http_proxy=mine", "no_proxy=x", "HOME=/root"]);
    }
}
