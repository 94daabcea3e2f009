//! Names of users and groups, looked up in a stage's own /etc/passwd and /etc/group (moby's `user` package).

use std::io::Read;

use graph::{Id, OwnerSpec};
use layer::{SourceTree, TreeError, resolve};

/// Larger files are no list of users.
const MAX_DATABASE: u64 = 16 << 20;

/// Why an owner cannot be told.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum OwnerError {
    #[error("cannot look up the {kind} {name:?}: the stage is empty, it has no {database}")]
    Unknown { kind: &'static str, name: String, database: &'static str },
    #[error("unable to find user {0}: no matching entries in passwd file")]
    NoUser(String),
    #[error("unable to find group {0}: no matching entries in group file")]
    NoGroup(String),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error("cannot read {database}: {source}")]
    Read { database: &'static str, source: std::io::Error },
}

pub(crate) const PASSWD: &str = "/etc/passwd";
pub(crate) const GROUP: &str = "/etc/group";

/// The numbers of `owner` in `tree`; `None` for a stage that is empty, where no name can be looked up.
///
/// As in BuildKit, a name that the stage's files do not list counts as not given: user 0, and the user's own group.
pub(crate) fn resolve_owner(tree: Option<&dyn SourceTree>, owner: &OwnerSpec) -> Result<(u32, u32), OwnerError> {
    let (uid, own_group) = match &owner.user {
        Id::Number(uid) => (*uid, *uid),
        Id::Name(name) if name.is_empty() => (0, 0),
        Id::Name(name) => {
            lookup(tree, "user", PASSWD, name, |fields| (number(fields, 2), number(fields, 3)))?.unwrap_or_default()
        }
    };
    let gid = match &owner.group {
        None => own_group,
        Some(Id::Number(gid)) => *gid,
        Some(Id::Name(name)) if name.is_empty() => 0,
        Some(Id::Name(name)) => lookup(tree, "group", GROUP, name, |fields| number(fields, 2))?.unwrap_or(own_group),
    };
    Ok((uid, gid))
}

/// What `read` makes of the fields of the first line of `database` whose name is `name`.
fn lookup<T>(
    tree: Option<&dyn SourceTree>,
    kind: &'static str,
    database: &'static str,
    name: &str,
    read: impl Fn(&[&str]) -> T,
) -> Result<Option<T>, OwnerError> {
    let tree = tree.ok_or_else(|| OwnerError::Unknown { kind, name: name.to_owned(), database })?;
    let text = database_text(tree, database)?;
    let mut lines = text.lines().map(|line| line.trim().split(':').collect::<Vec<_>>());
    Ok(lines.find(|fields| fields.first() == Some(&name)).map(|fields| read(&fields)))
}

/// A field that should be a number; what is none counts as zero.
fn number(fields: &[&str], index: usize) -> u32 {
    fields.get(index).and_then(|field| field.parse().ok()).unwrap_or_default()
}

/// A database of `tree`; empty where there is none.
pub(crate) fn database_text(tree: &dyn SourceTree, database: &'static str) -> Result<String, OwnerError> {
    let path = match resolve(tree, database, true) {
        Err(error) if error.is_not_found() => return Ok(String::new()),
        other => other?,
    };
    let content = tree.content(&path)?;
    let mut bytes = Vec::new();
    let read = content.open().and_then(|reader| reader.take(MAX_DATABASE).read_to_end(&mut bytes));
    read.map_err(|source| OwnerError::Read { database, source })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl OwnerError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { database, .. } => {
                Some(format!("use a number, or start from a base whose {database} lists the name"))
            }
            Self::NoUser(name) => Some(format!("add {name} in an earlier RUN, or name a user that the base has")),
            Self::NoGroup(name) => Some(format!("add {name} in an earlier RUN, or name a group that the base has")),
            Self::Tree(error) => error.hint(),
            Self::Read { .. } => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use layer::{Entry, EntryKind};
    use rootfs::TreePath;

    use super::*;
    use crate::overlay::{Empty, Overlay};

    /// A stage with these users and groups.
    pub(crate) fn stage(passwd: &str, group: &str) -> Overlay {
        let mut overlay = Overlay::new(Arc::new(Empty));
        let etc = TreePath::new("etc").expect("canonical");
        overlay.put(Entry::new(etc, EntryKind::Directory, 0o755), None).expect("put");
        for (path, text) in [("etc/passwd", passwd), ("etc/group", group)] {
            let path = TreePath::new(path).expect("canonical");
            let entry = Entry::new(path, EntryKind::File { size: text.len() as u64 }, 0o644);
            overlay.put(entry, Some(Arc::new(text.as_bytes().to_vec()))).expect("put");
        }
        overlay
    }

    fn tree() -> Overlay {
        let passwd = "root:x:0:0::/root:/bin/sh\nodd:x:what:1::/:\napp:x:1000:1001::/:/bin/sh\n";
        stage(passwd, "root:x:0:\nstaff:x:50:app\n")
    }

    #[test]
    fn names_and_numbers_resolve() {
        for (text, expected) in [
            ("app", (1000, 1001)),
            ("app:staff", (1000, 50)),
            ("app:7", (1000, 7)),
            ("5", (5, 5)),
            ("5:staff", (5, 50)),
            ("0:0", (0, 0)),
            ("app:", (1000, 0)),
            (":staff", (0, 50)),
            ("nobody", (0, 0)),
            ("app:nobody", (1000, 1001)),
            ("odd", (0, 1)),
        ] {
            let owner = resolve_owner(Some(&tree()), &OwnerSpec::parse(text)).expect(text);
            assert_eq!(owner, expected, "{text}");
        }
    }

    #[test]
    fn a_name_in_an_empty_stage_is_refused() {
        let error = resolve_owner(None, &OwnerSpec::parse("app")).expect_err("no files");
        assert_eq!(error.to_string(), "cannot look up the user \"app\": the stage is empty, it has no /etc/passwd");
        assert!(resolve_owner(None, &OwnerSpec::parse("5:6")).is_ok());
    }
}
