//! Lexical paths.

/// The shortest path equal to `path` without looking at any file system, as Go's `path.Clean`: repeated slashes,
/// `.` and resolvable `..` go away, a trailing slash too; nothing left is `.`.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if kept.last().is_some_and(|last| *last != "..") => {
                kept.pop();
            }
            ".." if rooted => {}
            _ => kept.push(part),
        }
    }
    match (rooted, kept.join("/")) {
        (true, body) => format!("/{body}"),
        (false, body) if body.is_empty() => ".".to_owned(),
        (false, body) => body,
    }
}
