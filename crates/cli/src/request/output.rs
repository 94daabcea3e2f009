//! `--output`, `--push` and `--load`: where the result goes.

mod options;

use std::path::PathBuf;

use engine::{ArchiveOptions, Destination, ImageForm, ImageOptions, Output};

use super::{RequestError, csv, suggest};
use crate::args::BuildArgs;

const FLAG: &str = "--output";
const TYPES: &[&str] = &["cacheonly", "docker", "image", "local", "oci", "registry", "tar"];

/// How an output's image is written, for those that are one.
pub(crate) fn form(output: &Output) -> Option<&ImageForm> {
    match output {
        Output::Image(options) | Output::Load(options) => Some(&options.form),
        Output::Oci(options) | Output::Docker(options) => Some(&options.form),
        Output::Local(_) | Output::Tar(_) | Output::CacheOnly => None,
    }
}

/// Whether an output's bytes go to standard output.
pub(crate) fn is_stdout(output: &Output) -> bool {
    match output {
        Output::Oci(options) | Output::Docker(options) => options.destination == Destination::Stdout,
        Output::Tar(destination) => *destination == Destination::Stdout,
        Output::Image(_) | Output::Load(_) | Output::Local(_) | Output::CacheOnly => false,
    }
}

/// Whether an output is a file system rather than an image.
pub(crate) fn is_file_system(output: &Output) -> bool {
    matches!(output, Output::Local(_) | Output::Tar(_))
}

/// All outputs of a command line; none asked for is none, and the engine's default.
///
/// As in buildx, `--push` turns every `type=image` into a pushed one and adds `type=registry`
/// where there is none; `--load` adds a `type=docker`.
pub(crate) fn all(args: &BuildArgs) -> Result<Vec<Output>, RequestError> {
    let typed = args.outputs.iter().filter(|text| !text.is_empty());
    let mut outputs = typed.map(|text| parse(text, several(args))).collect::<Result<Vec<_>, _>>()?;
    if args.push && !push_images(&mut outputs) {
        outputs.push(Output::Image(ImageOptions { push: true, ..ImageOptions::default() }));
    }
    if args.load && !outputs.iter().any(|output| matches!(output, Output::Load(_))) {
        outputs.push(Output::Load(ImageOptions::default()));
    }
    Ok(outputs)
}

/// Turns images into pushed ones; says whether there was any.
fn push_images(outputs: &mut [Output]) -> bool {
    let mut any = false;
    for output in outputs {
        if let Output::Image(options) = output {
            (options.push, any) = (true, true);
        }
    }
    any
}

/// One `--output`; `several` says whether the build is for several platforms.
pub(crate) fn parse(text: &str, several: bool) -> Result<Output, RequestError> {
    if text == "-" {
        return Ok(Output::Tar(Destination::Stdout));
    }
    let fields = csv::fields(FLAG, text)?;
    if fields.len() == 1 && fields[0] == text && !text.starts_with("type=") {
        return Ok(Output::Local(text.into()));
    }
    Fields::new(text, several)?.output()
}

fn several(args: &BuildArgs) -> bool {
    args.platform.iter().flat_map(|list| list.split(',')).count() > 1
}

/// The keys of one value, taken one after the other; what is left is unknown.
pub(super) struct Fields<'a> {
    text: &'a str,
    several: bool,
    kind: String,
    pairs: Vec<(String, String)>,
}

impl<'a> Fields<'a> {
    fn new(text: &'a str, several: bool) -> Result<Self, RequestError> {
        let mut fields = Self { text, several, kind: String::new(), pairs: csv::pairs(FLAG, text)? };
        fields.kind = fields.take("type").ok_or_else(|| {
            let hint = format!("type={}", TYPES.join("|"));
            fields.invalid("there is no type= in it").or_hint(hint)
        })?;
        Ok(fields)
    }

    fn output(mut self) -> Result<Output, RequestError> {
        let output = match self.kind.as_str() {
            "image" | "registry" => Output::Image(self.image()?),
            "oci" => Output::Oci(self.archive()?),
            "docker" => self.docker()?,
            "local" => {
                self.file_system_keys()?;
                Output::Local(self.directory()?)
            }
            "tar" => {
                self.file_system_keys()?;
                Output::Tar(self.sink())
            }
            "cacheonly" => Output::CacheOnly,
            other => {
                let reason = format!("unknown output type {other:?}");
                return Err(self.invalid(reason).or_hint(suggest::hint(other, TYPES)));
            }
        };
        self.nothing_left()?;
        Ok(output)
    }

    /// `type=image`, kept by the store, and `type=registry`, pushed.
    fn image(&mut self) -> Result<ImageOptions, RequestError> {
        let registry = self.kind == "registry";
        if self.flag("unpack")? == Some(true) {
            let reason = "there is no container engine's image store to unpack into";
            return Err(self.unsupported("unpack=true", reason, "use --load"));
        }
        if let Some(dest) = self.take("dest") {
            let reason = format!("type={} has no dest={dest}", self.kind);
            return Err(self.invalid(reason).or_hint("use type=oci or type=docker for a file"));
        }
        Ok(ImageOptions {
            push: self.flag("push")?.unwrap_or(registry),
            push_by_digest: self.flag("push-by-digest")?.unwrap_or_default(),
            store: self.flag("store")?.unwrap_or(!registry),
            names: self.names()?,
            form: self.form()?,
        })
    }

    /// Without a destination the engine of this machine, else an archive.
    fn docker(&mut self) -> Result<Output, RequestError> {
        if self.take("context").is_some() {
            let reason = "the engine is found by DOCKER_HOST";
            return Err(self.unsupported("context=", reason, "set DOCKER_HOST instead"));
        }
        if self.pairs.iter().any(|(key, _)| key == "dest" || key == "tar") {
            return Ok(Output::Docker(self.archive()?));
        }
        Ok(Output::Load(ImageOptions { names: self.names()?, form: self.form()?, ..ImageOptions::default() }))
    }

    fn archive(&mut self) -> Result<ArchiveOptions, RequestError> {
        let tar = self.flag("tar")?.unwrap_or(true);
        let destination = if tar { self.sink() } else { Destination::File(self.directory()?) };
        Ok(ArchiveOptions { destination, tar, names: self.names()?, form: self.form()? })
    }

    fn sink(&mut self) -> Destination {
        match self.take("dest") {
            Some(dest) if dest != "-" && !dest.is_empty() => Destination::File(dest.into()),
            _ => Destination::Stdout,
        }
    }

    fn directory(&mut self) -> Result<PathBuf, RequestError> {
        match self.take("dest").unwrap_or_default().as_str() {
            "" => Err(self.invalid("it needs a directory").or_hint("add dest=DIR")),
            "-" => Err(self
                .invalid("a directory cannot be written to standard output")
                .or_hint("use type=tar for the file system, or tar=true for an archive")),
            dest => Ok(dest.into()),
        }
    }

    /// Keys of file systems: accepted where they say what is done anyway.
    fn file_system_keys(&mut self) -> Result<(), RequestError> {
        match self.take("mode").as_deref().map(str::trim) {
            None | Some("" | "copy") => {}
            Some("delete") => {
                let reason = "nothing is ever deleted from a destination";
                return Err(self.unsupported("mode=delete", reason, "empty the directory beforehand"));
            }
            Some(other) => return Err(self.invalid(format!("unknown mode {other:?}"))),
        }
        if self.flag("platform-split")?.is_some_and(|split| split != self.several) {
            let reason = "there is one directory per platform exactly when there are several platforms";
            return Err(self.unsupported("platform-split=", reason, "leave it out"));
        }
        Ok(())
    }

    /// The value of a key, which is then gone; of several the last, as with buildx.
    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        let mut found = None;
        self.pairs.retain_mut(|(k, v)| {
            let wanted = k == key;
            if wanted {
                found = Some(std::mem::take(v));
            }
            !wanted
        });
        found
    }

    /// Keys that a test picks, with their values, which are then gone.
    pub(super) fn take_where(&mut self, test: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        let (taken, rest) = std::mem::take(&mut self.pairs).into_iter().partition(|(key, _)| test(key));
        self.pairs = rest;
        taken
    }

    /// The value of a boolean key.
    pub(super) fn flag(&mut self, key: &str) -> Result<Option<bool>, RequestError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let value = crate::args::parse_bool(&value);
        value.map(Some).map_err(|reason| self.invalid(format!("{key}: {reason}")))
    }

    pub(super) fn invalid(&self, reason: impl Into<String>) -> RequestError {
        RequestError::invalid(FLAG, self.text, reason)
    }

    pub(super) fn unsupported(&self, what: &str, reason: &str, hint: &str) -> RequestError {
        RequestError::unsupported(format!("{FLAG} type={},{what}", self.kind), reason, hint)
    }

    fn nothing_left(&self) -> Result<(), RequestError> {
        let Some((key, _)) = self.pairs.first() else { return Ok(()) };
        let reason = format!("type={} has no {key:?}", self.kind);
        let known = options::keys(&self.kind);
        Err(self.invalid(reason).or_hint(suggest::hint(key, &known)))
    }
}

#[cfg(test)]
mod tests;
