//! `RUN --mount`: what each mount needs before the process can see it.

use std::fs;
use std::io::Read;
use std::path::Path;

use graph::{Access, Mount, MountKind, RunOp};
use sandbox::{MountSource, Secret};

use super::RunError;
use super::agent::Served;
use crate::{SandboxOptions, SecretSource};

/// As in BuildKit (`session/secrets`).
const MAX_SECRET: u64 = 500 << 10;
/// Where agents are found that are given no other place.
const AGENTS: &str = "/run/buildkit/ssh_agent.";

/// What a mount without files of layers or caches comes to: mounts, and variables.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) mounts: Vec<sandbox::Mount>,
    pub(crate) env: Vec<(String, String)>,
    /// Agents that have to be served meanwhile.
    pub(crate) agents: Vec<Served>,
}

/// The secret of a mount. Where it is missing and need not be there, its variable is empty, as with BuildKit.
pub(crate) fn secret(mount: &Mount, options: &SandboxOptions) -> Result<Given, RunError> {
    let MountKind::Secret { id, env, required, access } = &mount.kind else { return Ok(Given::default()) };
    let Some(content) = options.secrets.get(id).map(|source| read_secret(id, source)).transpose()?.flatten() else {
        let env = env.iter().map(|name| (name.clone(), String::new())).collect();
        return if *required { Err(RunError::no_secret(id, options)) } else { Ok(Given { env, ..Given::default() }) };
    };
    let mut given = Given::default();
    if let Some(name) = env {
        let value = String::from_utf8(content.clone()).map_err(|_| RunError::SecretText(id.clone()))?;
        given.env.push((name.clone(), value));
    }
    if let Some(target) = &mount.target {
        let Access { uid, gid, mode } = *access;
        let source = MountSource::File { content: Secret(content), uid, gid, mode };
        given.mounts.push(sandbox::Mount { target: target.clone(), read_only: true, source });
    }
    Ok(given)
}

/// The bytes of a secret; nothing where its variable is not set.
pub(crate) fn read_secret(id: &str, source: &SecretSource) -> Result<Option<Vec<u8>>, RunError> {
    let content = match source {
        SecretSource::Variable(name) => match std::env::var_os(name) {
            Some(value) => std::os::unix::ffi::OsStringExt::into_vec(value),
            None => return Ok(None),
        },
        SecretSource::File(path) => {
            let unreadable = |source| RunError::SecretRead { id: id.to_owned(), path: path.clone(), source };
            read_bounded(path).map_err(unreadable)?
        }
    };
    if content.len() as u64 > MAX_SECRET {
        return Err(RunError::SecretSize(id.to_owned()));
    }
    Ok(Some(content))
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    fs::File::open(path)?.take(MAX_SECRET + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// The agents of a step, each at its place, and the variable that names the first.
pub(crate) fn agents(op: &RunOp, options: &SandboxOptions) -> Result<Given, RunError> {
    let mut given = Given::default();
    let asked = op.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Ssh { id, required, access } => Some((mount, id, *required, access)),
        _ => None,
    });
    for (position, (mount, id, required, access)) in asked.enumerate() {
        let target = mount.target.clone().unwrap_or_else(|| format!("{AGENTS}{position}"));
        if position == 0 && op.env.iter().all(|(name, _)| name != "SSH_AUTH_SOCK") {
            given.env.push(("SSH_AUTH_SOCK".into(), target.clone()));
        }
        let Some(agent) = options.agents.get(id) else {
            if required {
                return Err(RunError::no_agent(id, options));
            }
            continue;
        };
        let Access { uid, gid, mode } = *access;
        let served = Served::start(agent).map_err(RunError::Agent)?;
        let source = MountSource::Socket { path: served.socket().to_owned(), uid, gid, mode };
        given.agents.push(served);
        given.mounts.push(sandbox::Mount { target, read_only: true, source });
    }
    Ok(given)
}
