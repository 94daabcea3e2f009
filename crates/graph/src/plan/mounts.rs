//! The mounts of a RUN.

use dockerfile::{MountKind as Written, ResolvedMount, Run, Sharing, Span, ignore};

use super::paths;
use super::stage::StageBuild;
use super::stages::Command;
use super::transfer::files_of;
use crate::error::Problem;
use crate::{Access, ErrorKind, Input, Mount, MountKind};

/// What labels show of a secret.
pub(super) const MASK: &str = "****";

impl StageBuild<'_, '_> {
    /// The mounts of a RUN, and the names of variables that hold secrets.
    pub(super) fn mounts(&mut self, command: &Command<'_>, run: &Run) -> Result<(Vec<Mount>, Vec<String>), Problem> {
        let (mut mounts, mut masked) = (Vec::new(), Vec::new());
        for (position, written) in run.mounts.iter().enumerate() {
            let mut unset = Vec::new();
            let mount = written.resolve(|word| {
                let expanded = self.planner.expander.expand(word, &self.state.variables)?;
                unset.extend(expanded.unset);
                Ok(expanded.value)
            })?;
            self.check_unset(&unset);
            let input = match command.sources.get(position).copied().flatten() {
                Some(index) => Some(files_of(self.planner, index, self.line)?),
                None => None,
            };
            masked.extend(mount.env.clone().filter(|_| mount.kind == Written::Secret));
            mounts.push(self.mount(&mount, input, written.span)?);
        }
        Ok((mounts, masked))
    }

    fn mount(&self, mount: &ResolvedMount, input: Option<Input>, span: Span) -> Result<Mount, Problem> {
        match mount.kind {
            Written::Secret => return Ok(self.secret(mount)),
            Written::Ssh => return self.ssh(mount).map_err(|kind| Problem::new(span, kind)),
            Written::Bind | Written::Cache | Written::Tmpfs => {}
        }
        let target = paths::absolute(&self.state.directory, &mount.target);
        if target == "/" {
            return Err(Problem::new(span, ErrorKind::MountTarget));
        }
        let source = paths::absolute("/", &mount.source);
        let kind = match mount.kind {
            Written::Tmpfs => MountKind::Tmpfs { size: mount.size },
            Written::Cache => self.cache(mount, input, source),
            _ => MountKind::Bind { input: input.unwrap_or_else(|| self.planner.request.main_context()), source },
        };
        Ok(Mount { target: Some(target), read_only: mount.read_only, kind })
    }

    fn cache(&self, mount: &ResolvedMount, input: Option<Input>, source: String) -> MountKind {
        let namespace = self.planner.request.build_arg("BUILDKIT_CACHE_MOUNT_NS").unwrap_or("");
        let own = if mount.id.is_empty() { ignore::clean(&mount.target) } else { mount.id.clone() };
        let at_first = mount.uid.is_some() || mount.gid.is_some() || mount.mode.is_some();
        MountKind::Cache {
            id: format!("{namespace}/{own}"),
            sharing: mount.sharing.unwrap_or(Sharing::Shared),
            input,
            access: (at_first && source == "/").then(|| access(mount, 0o755)),
            source,
        }
    }

    fn secret(&self, mount: &ResolvedMount) -> Mount {
        let id = secret_id(mount);
        let usual = || mount.env.is_none().then(|| format!("/run/secrets/{}", paths::base_name(&id)));
        Mount {
            target: self.written_target(mount).or_else(usual),
            read_only: true,
            kind: MountKind::Secret {
                env: mount.env.clone().map(|name| if name.is_empty() { id.clone() } else { name }),
                required: mount.required,
                access: access(mount, 0o400),
                id,
            },
        }
    }

    fn ssh(&self, mount: &ResolvedMount) -> Result<Mount, ErrorKind> {
        if !mount.source.is_empty() {
            return Err(ErrorKind::SshSource);
        }
        Ok(Mount {
            target: self.written_target(mount),
            read_only: true,
            kind: MountKind::Ssh { id: agent_id(mount), required: mount.required, access: access(mount, 0o600) },
        })
    }

    /// The target that the mount names, if it does, from the working directory.
    fn written_target(&self, mount: &ResolvedMount) -> Option<String> {
        (!mount.target.is_empty()).then(|| paths::absolute(&self.state.directory, &mount.target))
    }
}

/// What a secret is called.
pub(super) fn secret_id(mount: &ResolvedMount) -> String {
    match [&mount.source, &mount.id].into_iter().find(|name| !name.is_empty()) {
        Some(name) => name.clone(),
        None => paths::base_name(&mount.target).to_owned(),
    }
}

/// What an SSH agent is called.
pub(super) fn agent_id(mount: &ResolvedMount) -> String {
    if mount.id.is_empty() { "default".to_owned() } else { mount.id.clone() }
}

fn access(mount: &ResolvedMount, mode: u32) -> Access {
    Access { uid: mount.uid.unwrap_or(0), gid: mount.gid.unwrap_or(0), mode: mount.mode.unwrap_or(mode) }
}
