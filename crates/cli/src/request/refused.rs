//! What is understood and refused: flags for what is not there yet, and contradictions.

use engine::{BuildRequest, ImageForm, Output};

use super::output::{self, is_file_system};
use super::{RequestError, Surroundings};
use crate::args::{BuildArgs, RefusedArgs};

/// Refuses flags for what is not there yet.
pub(crate) fn check(args: &BuildArgs) -> Result<(), RequestError> {
    unsupported_flags(&args.refused)
}

/// Each flag, whether it was given, why it is refused and what to do.
fn unsupported_flags(args: &RefusedArgs) -> Result<(), RequestError> {
    let resources = args.resource_flag();
    let flags = [
        (
            resources.is_some(),
            resources.unwrap_or_default(),
            "buildx knows no such limit for BuildKit either",
            "limit the whole build, such as with systemd-run, or use --ulimit and --cgroup-parent",
        ),
        (!args.policy.is_empty(), "--policy", "source policies are not evaluated yet", "pin bases by digest instead"),
        (
            !args.security_opt.is_empty(),
            "--security-opt",
            "BuildKit has no such thing either",
            "use RUN --security=insecure and --allow security.insecure",
        ),
        (args.squash, "--squash", "BuildKit has no such thing either", "use fewer COPY instructions"),
        (args.merge_layers, "--merge-layers", "layers are not merged yet", "use fewer COPY instructions"),
        (args.print.is_some(), "--print", "it is the old name of --call", "use --call"),
    ];
    match flags.into_iter().find(|(given, ..)| *given) {
        Some((_, flag, reason, hint)) => Err(RequestError::unsupported(flag, reason, hint)),
        None => Ok(()),
    }
}

impl RefusedArgs {
    /// The resource limit that was given, by its flag.
    fn resource_flag(&self) -> Option<&'static str> {
        let flags = [
            (!self.resources.is_empty(), "--resource"),
            (self.memory.is_some(), "--memory"),
            (self.memory_swap.is_some(), "--memory-swap"),
            (self.cpu_shares.is_some(), "--cpu-shares"),
            (self.cpu_period.is_some(), "--cpu-period"),
            (self.cpu_quota.is_some(), "--cpu-quota"),
            (self.cpuset_cpus.is_some(), "--cpuset-cpus"),
            (self.cpuset_mems.is_some(), "--cpuset-mems"),
        ];
        flags.into_iter().find_map(|(given, flag)| given.then_some(flag))
    }
}

/// Refuses contradictions between outputs, names, platforms and files.
pub(crate) fn conflicts(
    args: &BuildArgs,
    request: &BuildRequest,
    around: &dyn Surroundings,
) -> Result<(), RequestError> {
    one_stdout(args, request, around)?;
    names_to_push(request)?;
    several_platforms(request)?;
    one_compression(request)?;
    attestations(args, request)?;
    if args.offline && request.outputs.iter().any(is_pushed) {
        return Err(RequestError::conflict(
            "--offline talks to no registry, and an output is pushed to one",
            "leave one of them out",
        ));
    }
    if args.iidfile.is_some() && request.outputs.iter().any(is_file_system) {
        return Err(RequestError::conflict(
            "a file system has no image id for --iidfile",
            "leave out --iidfile, or use type=oci",
        ));
    }
    Ok(())
}

/// Only builders make attestations.
fn attestations(args: &BuildArgs, request: &BuildRequest) -> Result<(), RequestError> {
    let flag = match (&args.provenance, &args.sbom) {
        _ if !args.attests.is_empty() => "--attest",
        (Some(_), None) => "--provenance",
        _ => "--sbom",
    };
    match request.attestations.keys().next() {
        Some(_) if request.builders.is_empty() => Err(RequestError::unsupported(
            flag,
            "attestations are made by BuildKit builders, and none is given",
            "give --builder, or leave it out: none is the default here",
        )),
        _ => Ok(()),
    }
}

/// Standard output takes one thing, and no archive if it is a terminal.
fn one_stdout(args: &BuildArgs, request: &BuildRequest, around: &dyn Surroundings) -> Result<(), RequestError> {
    let archives = request.outputs.iter().filter(|output| output::is_stdout(output)).count();
    if archives > 1 {
        return Err(RequestError::conflict("two outputs go to standard output", "give all but one a dest=FILE"));
    }
    if archives == 1 && args.quiet {
        return Err(RequestError::conflict(
            "the image's id and an output both go to standard output",
            "leave out --quiet, or add dest=FILE",
        ));
    }
    if archives == 1 && around.stdout_is_terminal() {
        return Err(RequestError::conflict(
            "an archive is not written to a terminal",
            "add dest=FILE, or redirect standard output",
        ));
    }
    Ok(())
}

fn is_pushed(output: &Output) -> bool {
    matches!(output, Output::Image(options) if options.push)
}

/// What is pushed has a name; what is pushed by digest has no tag.
fn names_to_push(request: &BuildRequest) -> Result<(), RequestError> {
    for output in &request.outputs {
        let Output::Image(options) = output else { continue };
        let names = if options.names.is_empty() { &request.tags } else { &options.names };
        if options.push && names.is_empty() {
            return Err(RequestError::conflict(
                "an image without a name cannot be pushed",
                "add --tag REGISTRY/REPOSITORY:TAG",
            ));
        }
        let tagged = names.iter().find(|name| name.tag().is_some());
        if let Some(name) = tagged.filter(|_| options.push && options.push_by_digest) {
            let message = format!("{name} is a tag, and push-by-digest pushes none");
            return Err(RequestError::conflict(message, "name the repository only"));
        }
    }
    Ok(())
}

/// Docker's engine and its archives hold one platform.
fn several_platforms(request: &BuildRequest) -> Result<(), RequestError> {
    let one_only = |output: &&Output| matches!(output, Output::Load(_) | Output::Docker(_));
    if request.platforms.len() > 1 && request.outputs.iter().any(|output| one_only(&output)) {
        return Err(RequestError::conflict(
            "docker's archives and engines take one platform, and several are built",
            "use --push or type=oci, or build one --platform",
        ));
    }
    Ok(())
}

/// One build compresses once: its bytes are the same wherever they go.
fn one_compression(request: &BuildRequest) -> Result<(), RequestError> {
    let forms = || request.outputs.iter().filter_map(output::form);
    let asked = |form: &&ImageForm| form.compression.is_some();
    let first = forms().find(asked).map(|form| form.compression);
    if forms().filter(asked).any(|form| Some(form.compression) != first) {
        return Err(RequestError::conflict("two outputs ask for different compressions", "run two builds"));
    }
    Ok(())
}
