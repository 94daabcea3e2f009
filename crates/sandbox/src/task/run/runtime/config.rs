//! `config.json` (OCI runtime specification 1.0.2): the same world as our own last steps make.

use serde_json::{Value, json};

use super::super::bounds::Bounds;
use super::super::root::{DEV_SIZE, MASKED, READ_ONLY};
use super::super::{capabilities, command, seccomp};
use super::Placed;
use crate::sandbox::Job;
use crate::{Cause, Error, Runtime, Spec, Ulimit};

/// The configuration, with what is mounted by `RUN --mount` and the like.
pub(super) fn config(job: &Job, runtime: Runtime, mounts: &[Placed]) -> Result<Value, Error> {
    let spec = &job.spec;
    let merged = spec.stack.scratch.join("merged");
    let mut all = kernels_own(spec);
    all.extend(mounts.iter().map(bind));
    let protected =
        |paths: &[&str]| if spec.privileged { Vec::new() } else { paths.iter().map(|&path| path.to_owned()).collect() };
    let filter = if spec.privileged { Value::Null } else { seccomp::described() };
    // The group that we are in limits what crun starts.
    let resources = match Bounds::of(&spec.ulimits).tasks {
        Some(tasks) if runtime == Runtime::Runc => json!({"pids": {"limit": tasks}}),
        _ => json!({}),
    };
    let namespaces = ["pid", "ipc", "uts", "mount", "cgroup"].map(|kind| json!({"type": kind}));
    Ok(json!({
        "ociVersion": "1.0.2",
        "root": {"path": merged, "readonly": false},
        "hostname": spec.hostname,
        "process": process(spec)?,
        "mounts": all,
        "linux": {
            "namespaces": namespaces,
            "resources": resources,
            "maskedPaths": protected(&MASKED),
            "readonlyPaths": protected(&READ_ONLY),
            "seccomp": filter,
        },
    }))
}

fn process(spec: &Spec) -> Result<Value, Error> {
    let process = &spec.process;
    let names = if spec.privileged { capabilities::own_names() } else { Ok(capabilities::default_names()) };
    let names = names.map_err(Cause::at("read our capabilities"))?;
    let inherited: &[String] = if spec.privileged { &names } else { &[] };
    let env: Vec<String> = process.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Ok(json!({
        "terminal": false,
        "user": {"uid": process.uid, "gid": process.gid, "additionalGids": process.groups, "umask": 0o022},
        "args": process.args,
        "env": env,
        "cwd": if process.directory.is_empty() { "/" } else { &process.directory },
        "capabilities": {
            "bounding": names, "effective": names, "permitted": names, "inheritable": inherited, "ambient": inherited,
        },
        "rlimits": spec.ulimits.iter().map(limit).collect::<Result<Vec<_>, _>>()?,
        "noNewPrivileges": false,
    }))
}

/// The file systems of the kernel, with the options that BuildKit gives them.
fn kernels_own(spec: &Spec) -> Vec<Value> {
    let shm = format!("size={}", spec.shm_size);
    let dev = format!("size={DEV_SIZE}");
    let sys = if spec.privileged { "rw" } else { "ro" };
    vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", &dev]),
        mount("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", &shm]),
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", sys]),
    ]
}

fn mount(target: &str, kind: &str, options: &[&str]) -> Value {
    json!({"destination": target, "type": kind, "source": kind, "options": options})
}

fn bind(Placed { target, source, options }: &Placed) -> Value {
    let target = format!("/{}", target.trim_start_matches('/'));
    json!({"destination": target, "type": "none", "source": source, "options": options})
}

fn limit(limit: &Ulimit) -> Result<Value, Error> {
    command::resource(&limit.name)
        .ok_or_else(|| Error::Ulimit { name: limit.name.clone(), problem: "there is no such limit".into() })?;
    let value = |value: i64| u64::try_from(value).unwrap_or(u64::MAX);
    let name = format!("RLIMIT_{}", limit.name.to_uppercase());
    Ok(json!({"type": name, "soft": value(limit.soft), "hard": value(limit.hard)}))
}
