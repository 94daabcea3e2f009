//! `--builder` and `--builders`: who builds what is not built in this process.

use engine::{BuilderAddress, Builders};
use oci::Platform;

use super::{RequestError, Surroundings};
use crate::args::BuildArgs;

/// Where builders are named when no flag does: our name, and LinuxKit's.
const VARIABLES: [&str; 2] = ["SHIPSMITH_BUILDERS", "LINUXKIT_BUILDERS"];

/// The builders that flags name; those of the environment where there is no `--builders`.
pub(crate) fn builders(args: &BuildArgs, around: &dyn Surroundings) -> Result<Builders, RequestError> {
    let mut builders = Builders::default();
    if let Some(text) = args.builder.as_ref().filter(|text| !text.is_empty()) {
        builders.default = Some(address("--builder", text)?);
    }
    let (flag, texts) = match &args.builders[..] {
        [] => environment(around),
        texts => ("--builders", texts.to_vec()),
    };
    for pair in texts.iter().flat_map(|text| text.split(',')).filter(|pair| !pair.is_empty()) {
        let (platform, builder) = assignment(flag, pair)?;
        if builders.by_platform.insert(platform, builder).is_some() {
            return Err(RequestError::invalid(flag, pair, "the platform has a builder already")
                .or_hint("name every platform once"));
        }
    }
    Ok(builders)
}

fn environment(around: &dyn Surroundings) -> (&'static str, Vec<String>) {
    let found = VARIABLES.into_iter().find_map(|name| Some((name, around.variable(name).filter(|it| !it.is_empty())?)));
    found.map_or(("--builders", Vec::new()), |(name, text)| (name, vec![text]))
}

/// `PLATFORM=URL`; the URL may have more equals signs.
fn assignment(flag: &'static str, pair: &str) -> Result<(Platform, BuilderAddress), RequestError> {
    let example = "such as linux/arm64=ssh://user@host";
    let (platform, url) = pair
        .split_once('=')
        .ok_or_else(|| RequestError::invalid(flag, pair, "there is no = in it").or_hint(example))?;
    let parsed: Result<Platform, oci::PlatformError> = platform.trim().parse();
    let platform = parsed.map_err(|error| RequestError::invalid(flag, pair, error.to_string()).or_hint(example))?;
    Ok((platform, address(flag, url.trim())?))
}

fn address(flag: &'static str, text: &str) -> Result<BuilderAddress, RequestError> {
    text.parse().map_err(|error: engine::BuilderError| {
        RequestError::invalid(flag, text, error.to_string()).or_hint(error.hint().unwrap_or_default())
    })
}
