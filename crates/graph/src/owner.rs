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
        let number = match (text, text.parse::<i32>()) {
            // -1 is the kernel's word for an owner that stays as it is: whoever makes files is root.
            ("root", _) | (_, Ok(-1)) => Some(0),
            (_, number) => number.ok().map(i32::cast_unsigned),
        };
        number.map_or_else(|| Self::Name(text.to_owned()), Self::Number)
    }
}
