//! Paths as BuildKit joins them.

use dockerfile::ignore::clean;

/// `path` seen from `directory`, cleaned only where it had to be joined, as WORKDIR keeps absolute paths.
pub(super) fn resolve(directory: &str, path: &str) -> String {
    let directory = if directory.is_empty() { "/" } else { directory };
    let parent = if directory.starts_with('/') { directory.to_owned() } else { clean(&format!("/{directory}")) };
    match path {
        "" => parent,
        _ if path.starts_with('/') => path.to_owned(),
        _ => clean(&format!("{parent}/{path}")),
    }
}

/// Absolute and cleaned.
pub(super) fn absolute(directory: &str, path: &str) -> String {
    clean(&resolve(directory, path))
}

/// A transfer's destination: absolute and cleaned, except that a final `/` or `/.` stays, and that `.` and nothing
/// mean the directory itself.
pub(super) fn destination(directory: &str, path: &str) -> String {
    let path = if path.is_empty() || path == "." { "./" } else { path };
    let cleaned = absolute(directory, path);
    match (cleaned.as_str(), path) {
        ("/", path) if path.ends_with("/.") => "/.".to_owned(),
        ("/", _) => cleaned,
        (_, path) if path.ends_with('/') => format!("{cleaned}/"),
        (_, path) if path.ends_with("/.") => format!("{cleaned}/."),
        _ => cleaned,
    }
}

/// The last component, as Go's `path.Base` gives it.
pub(super) fn base_name(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit('/').next() {
        Some("") | None if path.is_empty() => ".",
        Some("") | None => "/",
        Some(name) => name,
    }
}

#[cfg(test)]
mod tests {
    use super::{base_name, destination, resolve};

    #[test]
    fn destinations_keep_what_says_directory() {
        let cases = [
            ("/w", "a", "/w/a"),
            ("/w", "a/", "/w/a/"),
            ("/w", "a/.", "/w/a/."),
            ("/w", ".", "/w/"),
            ("/w", "", "/w/"),
            ("/w", "..", "/"),
            ("/", ".", "/"),
            ("/", "/.", "/."),
            ("/w", "/x//y/../", "/x/"),
            ("/w", "../../..", "/"),
        ];
        for (directory, path, expected) in cases {
            assert_eq!(destination(directory, path), expected, "{directory} {path}");
        }
    }

    #[test]
    fn absolute_directories_stay_as_written() {
        let cases = [
            ("/a", "b/../c", "/a/c"),
            ("/a", "/b/../c/", "/b/../c/"),
            ("", "x", "/x"),
            ("r", "", "/r"),
            ("r", "r", "/r/r"),
        ];
        for (directory, path, expected) in cases {
            assert_eq!(resolve(directory, path), expected);
        }
    }

    #[test]
    fn last_components() {
        for (path, expected) in [("", "."), ("/", "/"), ("a", "a"), ("/a/b/", "b")] {
            assert_eq!(base_name(path), expected);
        }
    }
}
