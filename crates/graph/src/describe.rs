//! Steps as text: for people, for tests, and, digested, for keys.

use std::fmt;

use oci::Digest;

use crate::{
    Access, BaseOrigin, Copy, CopySource, GitSource, Graph, Id, Input, MakeDir, ModeSpec, Mount, MountKind, Op,
    OwnerSpec, RunOp, Step, StepId, StepKey,
};

/// Part of every key: a new meaning of the same text needs a new number.
const VERSION: &str = "shipsmith step 1";

impl Op {
    /// The op as one line, with other steps named by `name`. Equal lines mean equal ops: every text in it is quoted.
    pub fn describe(&self, name: &dyn Fn(StepId) -> String) -> String {
        match self {
            Self::Scratch => "scratch".to_owned(),
            Self::Base(base) => {
                format!("base {} {} {}", origin(&base.need.origin), base.digest, base.need.platform)
            }
            Self::Copy(op) => copy(op, name),
            Self::MakeDir(op) => make_dir(op, name),
            Self::Run(op) => run(op, name),
        }
    }

    /// The key of a step with this op, given the keys of those it depends on.
    pub(crate) fn key(&self, keys: &dyn Fn(StepId) -> String) -> StepKey {
        StepKey(Digest::of(format!("{VERSION}\n{}", self.describe(keys)).as_bytes()))
    }
}

fn origin(origin: &BaseOrigin) -> String {
    match origin {
        BaseOrigin::Image(reference) => reference.to_string(),
        BaseOrigin::OciLayout { directory, object } => {
            format!("oci-layout {directory:?} {:?}", object.as_deref().unwrap_or(""))
        }
        BaseOrigin::Target(target) => format!("target {target:?}"),
    }
}

fn make_dir(op: &MakeDir, name: &dyn Fn(StepId) -> String) -> String {
    format!("mkdir {:?} mode={:o}{} on {}", op.path, op.mode, owned(op.owner.as_ref()), name(op.parent))
}

fn copy(op: &Copy, name: &dyn Fn(StepId) -> String) -> String {
    let sources: Vec<String> = op.sources.iter().map(|part| source(part, name)).collect();
    let mut line = format!("copy {} to {:?}{}", sources.join(", "), op.destination, owned(op.owner.as_ref()));
    match &op.mode {
        Some(ModeSpec::Octal(mode)) => line.push_str(&format!(" mode={mode:o}")),
        Some(ModeSpec::Symbolic { text, .. }) => line.push_str(&format!(" mode={text:?}")),
        None => {}
    }
    if op.link {
        line.push_str(" link");
    }
    if !op.excludes.is_empty() {
        line.push_str(&format!(" except {:?}", op.excludes));
    }
    format!("{line} on {}", name(op.parent))
}

fn source(source: &CopySource, name: &dyn Fn(StepId) -> String) -> String {
    let mut text = format!("{} {:?}", input(&source.input, name), source.path);
    if let Some(below) = &source.below {
        text.push_str(&format!(" below={:?}", below.pattern));
        if let Some(required) = &below.required {
            text.push_str(&format!(" required={required:?}"));
        }
    }
    if source.unpack {
        text.push_str(" unpack");
    }
    text
}

fn input(input: &Input, name: &dyn Fn(StepId) -> String) -> String {
    match input {
        Input::Context(context) if context.is_empty() => "context".to_owned(),
        Input::Context(context) => format!("context:{context:?}"),
        Input::Step(id) => name(*id),
        Input::Inline(file) => format!("inline {:?} mode={:o} {:?}", file.name, file.mode, file.content),
        Input::Http(http) => {
            let checksum = http.checksum.as_ref().map(|digest| format!(" checksum={digest}")).unwrap_or_default();
            format!("http {:?}{checksum}", http.url)
        }
        Input::Git(source) => git(source),
    }
}

fn git(source: &GitSource) -> String {
    let mut text = format!("git {:?}", source.remote);
    let words = [("ref", &source.reference), ("subdir", &source.subdirectory), ("checksum", &source.checksum)];
    for (key, value) in words {
        if let Some(value) = value {
            text.push_str(&format!(" {key}={value:?}"));
        }
    }
    let flags = [
        ("keep-git-dir", source.keep_git_dir == Some(true)),
        ("no-submodules", source.submodules == Some(false)),
        ("commit-time", source.commit_time),
        ("fetch-by-commit", source.fetch_by_commit),
    ];
    for (flag, _) in flags.into_iter().filter(|(_, set)| *set) {
        text.push_str(&format!(" {flag}"));
    }
    text
}

fn owned(owner: Option<&OwnerSpec>) -> String {
    let id = |id: &Id| match id {
        Id::Number(number) => number.to_string(),
        Id::Name(name) => format!("{name:?}"),
    };
    match owner {
        None => String::new(),
        Some(OwnerSpec { user, group: None }) => format!(" owner={}", id(user)),
        Some(OwnerSpec { user, group: Some(group) }) => format!(" owner={}:{}", id(user), id(group)),
    }
}

/// Proxy variables and secrets' contents are left out on purpose.
fn run(op: &RunOp, name: &dyn Fn(StepId) -> String) -> String {
    let mut line = format!("run {:?} in {:?} as {:?} env {:?}", op.args, op.directory, op.user, op.env);
    for part in &op.mounts {
        line.push_str(&mount(part, name));
    }
    line.push_str(&format!(" network={:?} security={:?}", op.network, op.security));
    let settings = format!("{:?} {:?} {:?} {:?}", op.hostname, op.extra_hosts, op.shm_size, op.ulimits);
    if settings != "None [] None []" {
        line.push_str(&format!(" set {settings}"));
    }
    if !op.devices.is_empty() {
        line.push_str(&format!(" devices {:?}", op.devices));
    }
    format!("{line} for {} on {}", op.platform, name(op.parent))
}

fn mount(mount: &Mount, name: &dyn Fn(StepId) -> String) -> String {
    let what = match &mount.kind {
        MountKind::Bind { input: from, source } => format!("bind {} {source:?}", input(from, name)),
        MountKind::Cache { id, sharing, input: from, source, access: at_first } => {
            let from = from.as_ref().map_or_else(|| "empty".to_owned(), |from| input(from, name));
            format!("cache {id:?} {sharing:?} {from} {source:?}{}", at_first.map(access).unwrap_or_default())
        }
        MountKind::Tmpfs { size } => format!("tmpfs {size}"),
        MountKind::Secret { id, env, required, access: file } => {
            format!("secret {id:?} env={env:?} required={required}{}", access(*file))
        }
        MountKind::Ssh { id, required, access: socket } => format!("ssh {id:?} required={required}{}", access(*socket)),
    };
    let target = mount.target.as_deref().unwrap_or("");
    format!(" mount[{what} at {target:?}{}]", if mount.read_only { " ro" } else { "" })
}

fn access(access: Access) -> String {
    format!(" {}:{} {:o}", access.uid, access.gid, access.mode)
}

/// One line for each step, then the result.
impl fmt::Display for Graph {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(out, "{step}")?;
        }
        writeln!(out, "result {}", self.root)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.id, self.op.describe(&|id| id.to_string()))
    }
}
