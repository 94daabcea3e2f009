//! Owners as `--chown` and USER name them.

/// A user and, perhaps, a group, to be looked up in a stage's own `/etc/passwd` and `/etc/group`.
///
/// Without a group the user's own is meant: for a number that is the same number, for a name the group in
/// `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerSpec {
    /// The user.
    pub user: Id,
    /// The group.
    pub group: Option<Id>,
}

/// A user or a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Id {
    /// By number.
    Number(u32),
    /// By name.
    Name(String),
}

impl OwnerSpec {
    /// Reads `user[:group]`; `root` is number 0 without asking any file, as in BuildKit.
    pub fn parse(text: &str) -> Self {
        match text.split_once(':') {
            Some((user, group)) => Self { user: Id::parse(user), group: Some(Id::parse(group)) },
            None => Self { user: Id::parse(text), group: None },
        }
    }
}

impl Id {
    fn parse(text: &str) -> Self {
        let number =
            if text == "root" { Some(0) } else { text.parse::<i32>().ok().and_then(|id| u32::try_from(id).ok()) };
        number.map_or_else(|| Self::Name(text.to_owned()), Self::Number)
    }
}
