//! `--builder` and `--builders`: who builds what is not built in this process.

use std::path::PathBuf;

use engine::{BuilderAddress, BuilderContainer, Builders};
use oci::Platform;

use super::pkg::variable;
use super::{RequestError, Surroundings};
use crate::args::BuilderArgs;

/// What LinuxKit calls the container that its builders run in, and what it starts it from.
const CONTAINER: &str = "linuxkit-builder";
const IMAGE: &str = "moby/buildkit:v0.26.3";

/// The builders that flags name. Platforms that `--builders` does not name have those of the environment.
pub(crate) fn builders(
    builder: Option<&str>,
    by_platform: &[String],
    around: &dyn Surroundings,
) -> Result<Builders, RequestError> {
    let mut builders = Builders::default();
    if let Some(text) = builder.filter(|text| !text.is_empty()) {
        builders.default = Some(address("--builder", text)?);
    }
    let names = ["SHIPSMITH_BUILDERS", "LINUXKIT_BUILDERS"];
    let environment =
        names.into_iter().find_map(|name| Some((name, around.variable(name).filter(|value| !value.is_empty())?)));
    let texts = environment.iter().map(|(name, text)| (*name, text));
    for (flag, text) in texts.chain(by_platform.iter().map(|text| ("--builders", text))) {
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (platform, builder) = assignment(flag, pair)?;
            builders.by_platform.retain(|other, _| !other.serves(&platform));
            builders.by_platform.insert(platform, builder);
        }
    }
    Ok(builders)
}

/// The builders of a package: containers among them are started as the flags say.
pub(crate) fn package_builders(args: &BuilderArgs, around: &dyn Surroundings) -> Result<Builders, RequestError> {
    let mut builders = builders(args.builder.as_deref(), args.builders.as_slice(), around)?;
    let name = args.builder_name.clone().or_else(|| variable(around, "BUILDER_NAME"));
    let image = args.builder_image.clone().or_else(|| variable(around, "BUILDER_IMAGE"));
    let config = args.builder_config.clone().or_else(|| variable(around, "BUILDER_CONFIG").map(PathBuf::from));
    for address in builders.by_platform.values_mut().chain(&mut builders.default) {
        let BuilderAddress::Container(container) = address else { continue };
        if container.name == CONTAINER {
            container.name = name.clone().unwrap_or_else(|| CONTAINER.to_owned());
            container.image.get_or_insert_with(|| IMAGE.to_owned());
        }
        container.image = image.clone().or_else(|| container.image.take());
        container.config = config.clone().or_else(|| container.config.take());
        container.restart |= args.builder_restart;
    }
    Ok(builders)
}

/// `PLATFORM=BUILDER`; an address may have more equals signs.
fn assignment(flag: &'static str, pair: &str) -> Result<(Platform, BuilderAddress), RequestError> {
    let invalid = |reason: String| RequestError::invalid(flag, pair, reason).or_hint("such as linux/arm64=ssh://HOST");
    let (platform, builder) = pair
        .split_once('=')
        .filter(|(platform, builder)| platform.contains('/') && !builder.is_empty())
        .ok_or_else(|| invalid("it is not PLATFORM=BUILDER".into()))?;
    let parsed: Result<Platform, oci::PlatformError> = platform.trim().parse();
    let platform = parsed.map_err(|error| invalid(error.to_string()))?;
    if builder.contains("://") {
        return Ok((platform, address(flag, builder.trim())?));
    }
    // What LinuxKit means by a name: its container in that context of Docker's client.
    let context = Some(builder.trim().to_owned());
    let container = BuilderContainer { name: CONTAINER.into(), context, ..BuilderContainer::default() };
    Ok((platform, BuilderAddress::Container(container)))
}

fn address(flag: &'static str, text: &str) -> Result<BuilderAddress, RequestError> {
    text.parse().map_err(|error: engine::BuilderError| {
        RequestError::invalid(flag, text, error.to_string()).or_hint(error.hint().unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::super::pkg::tests::Around;
    use super::*;

    type Variables = &'static [(&'static str, &'static str)];

    fn found(environment: Variables, flags: &[&str]) -> Result<Vec<String>, RequestError> {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let found = builders(None, &flags, &Around(environment))?;
        Ok(found.by_platform.iter().map(|(platform, builder)| format!("{platform} {builder}")).collect())
    }

    #[test]
    fn builders_of_the_flag_come_before_the_environments() {
        let both = found(
            &[("LINUXKIT_BUILDERS", "linux/arm64=ssh://env,linux/amd64=unix:///env")],
            &["linux/arm64=ssh://flag"],
        )
        .expect("builders");
        assert_eq!(both, ["linux/amd64 unix:///env", "linux/arm64 ssh://flag"]);
        assert_eq!(found(&[], &["linux/amd64=tcp://h:1?ca=/a"]).expect("a builder"), ["linux/amd64 tcp://h:1"]);
    }

    #[test]
    fn what_names_no_platform_or_no_builder_is_refused() {
        for wrong in ["linux/amd64", "linux/amd64=", "amd64=x", "linux/amd64=ftp://x", "=x"] {
            assert!(found(&[], &[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_bare_name_is_a_context_of_docker_with_linuxkits_container() {
        let args = BuilderArgs { builders: Some("linux/arm64=arm".into()), ..BuilderArgs::default() };
        let builders = package_builders(&args, &Around(&[])).expect("a builder");
        let BuilderAddress::Container(container) = builders.by_platform.values().next().expect("one") else {
            panic!("a container")
        };
        assert_eq!((container.name.as_str(), container.context.as_deref()), (CONTAINER, Some("arm")));
        assert_eq!(container.image.as_deref(), Some(IMAGE));
        let around = Around(&[("LINUXKIT_BUILDER_NAME", "mine"), ("SHIPSMITH_BUILDER_IMAGE", "buildkit:1")]);
        let builders = package_builders(&args, &around).expect("a builder");
        let found = builders.by_platform.into_values().next();
        let container = BuilderContainer {
            name: "mine".into(),
            image: Some("buildkit:1".into()),
            context: Some("arm".into()),
            ..BuilderContainer::default()
        };
        assert_eq!(found, Some(BuilderAddress::Container(container)));
    }
}
