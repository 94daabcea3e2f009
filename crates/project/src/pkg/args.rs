//! Build arguments of packages: as they are written, and calculated from other packages.

use std::fs;
use std::path::{Path, PathBuf};

use gix::glob::wildmatch;

use super::{Error, Package};
use crate::Place;

/// A line `NAME=VALUE` and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The text.
    pub text: String,
    /// Where it is.
    pub place: Place,
}

/// Arguments, resolved.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    /// In their order; later ones win.
    pub values: Vec<(String, String)>,
    /// The directories of packages whose tags are among them.
    pub packages: Vec<PathBuf>,
}

impl Line {
    fn wrong(&self, message: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Written { message: message.into(), place: Box::new(self.place.clone()), hint: Some(hint.into()) }
    }
}

/// The lines of a `--build-arg-file`; blank ones and those that begin with `#` say nothing.
///
/// # Errors
/// When it cannot be read.
pub fn read(file: &Path) -> Result<Vec<Line>, Error> {
    let text = fs::read_to_string(file).map_err(Error::read(file))?;
    let lines = text.lines().enumerate().map(|(number, text)| {
        let place = Place::line(&file.display().to_string(), number + 1, text);
        Line { text: text.trim().to_owned(), place }
    });
    Ok(lines.filter(|line| !line.text.is_empty() && !line.text.starts_with('#')).collect())
}

/// Resolves lines of one file; paths in them are relative to the file's directory. `load` brings a package.
///
/// # Errors
/// When a line is none, asks for something unknown, or names no package.
pub fn resolve(lines: &[Line], load: &mut dyn FnMut(&Path) -> Result<Package, Error>) -> Result<Resolved, Error> {
    let mut resolved = Resolved::default();
    for line in lines {
        let Some((name, value)) = line.text.split_once('=').filter(|(name, _)| !name.trim().is_empty()) else {
            return Err(line.wrong(format!("{:?} is no build argument", line.text), "write NAME=VALUE"));
        };
        let (name, value) = (name.trim(), value.trim());
        match value.strip_prefix("@lkt:").map(|asked| asked.split_once(':')) {
            None => resolved.values.push((name.to_owned(), value.to_owned())),
            Some(Some(("pkg", path))) => {
                let path = anchored(line, path);
                resolved.values.push((name.to_owned(), load(&path)?.tag()?));
                resolved.packages.push(path);
            }
            Some(Some(("pkgs", pattern))) => several(line, name, pattern, load, &mut resolved)?,
            Some(_) => {
                let hint = "known are @lkt:pkg:PATH and @lkt:pkgs:GLOB";
                return Err(line.wrong(format!("nothing calculates {value:?}"), hint));
            }
        }
    }
    Ok(resolved)
}

fn anchored(line: &Line, path: &str) -> PathBuf {
    Path::new(&line.place.file).parent().unwrap_or(Path::new("")).join(path)
}

fn several(
    line: &Line,
    name: &str,
    pattern: &str,
    load: &mut dyn FnMut(&Path) -> Result<Package, Error>,
    resolved: &mut Resolved,
) -> Result<(), Error> {
    if !name.contains('%') || name.starts_with('%') {
        let message = format!("the name {name:?} has no place for the package's name");
        return Err(line.wrong(message, "write % in it, behind at least one letter: DEP_%"));
    }
    let mut found = Vec::new();
    for pattern in braces(pattern) {
        found.extend(glob(&anchored(line, &pattern))?);
    }
    if found.is_empty() {
        return Err(line.wrong(format!("no directory fits {pattern:?}"), "it is relative to this file's directory"));
    }
    for path in found {
        let package = load(&path)?;
        let of_package = package.name().replace(['/', '-'], "_").to_uppercase();
        resolved.values.push((name.replace('%', &of_package), package.tag()?));
        resolved.packages.push(path);
    }
    Ok(())
}

/// `a{1,2}` as `a1` and `a2`.
fn braces(pattern: &str) -> Vec<String> {
    let parts = pattern.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    let Some((before, (choices, after))) = parts else { return vec![pattern.to_owned()] };
    let ends = braces(after);
    choices.split(',').flat_map(|choice| ends.iter().map(move |end| format!("{before}{choice}{end}"))).collect()
}

/// The directories that fit, sorted; hidden ones only where the pattern names them.
fn glob(pattern: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let text = part.as_os_str().to_string_lossy().into_owned();
        if !text.contains(['*', '?', '[']) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let below = found.iter().map(|directory| matching(directory, &text)).collect::<Result<Vec<_>, _>>()?;
        found = below.into_iter().flatten().collect();
    }
    found.retain(|path| path.is_dir() && !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')));
    Ok(found)
}

fn matching(directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, Error> {
    let shown = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let Ok(entries) = fs::read_dir(shown) else { return Ok(Vec::new()) };
    let fits = |name: &str| {
        let seen = pattern.starts_with('.') || !name.starts_with('.');
        seen && wildmatch(pattern.into(), name.into(), gix::glob::wildmatch::Mode::NO_MATCH_SLASH_LITERAL)
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(Error::read(shown))?.file_name();
        if fits(&name.to_string_lossy()) {
            names.push(directory.join(name));
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        let place = Place::line("/x/build.yml", 1, text);
        Line { text: text.into(), place }
    }

    fn none(path: &Path) -> Result<Package, Error> {
        Err(Error::NoRepository(path.to_owned()))
    }

    #[test]
    fn plain_arguments_are_taken_as_they_are() {
        let resolved = resolve(&[line("A=b=c"), line("B=")], &mut none).unwrap();
        assert_eq!(resolved.values, [("A".into(), "b=c".into()), ("B".into(), String::new())]);
    }

    #[test]
    fn what_cannot_be_understood_has_a_place() {
        for text in ["A", "=b", "A=@lkt:pk:x", "A=@lkt:pkgs:x/*", "%A=@lkt:pkgs:x/*", "A_%=@lkt:pkgs:nowhere/*"] {
            assert!(resolve(&[line(text)], &mut none).unwrap_err().place().is_some(), "{text}");
        }
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let error = resolve(&[line("A=@lkt:pkg:../y")], &mut none).unwrap_err();
        assert!(error.to_string().starts_with("/x/../y "), "{error}");
    }

    #[test]
    fn braces_are_choices() {
        assert_eq!(braces("/a{1,2}/b{x,y}"), ["/a1/bx", "/a1/by", "/a2/bx", "/a2/by"]);
        assert_eq!(braces("a"), ["a"]);
    }
}
