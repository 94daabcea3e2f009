//! Permissions as `--chmod` names them.

use thiserror::Error;

const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;
const STICKY: u32 = 0o1000;

/// New permissions, or changes to those a file has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModeSpec {
    /// All twelve bits.
    Octal(u32),
    /// Changes, as chmod(1) writes them.
    Symbolic {
        /// As written.
        text: String,
        /// What is done, in order.
        changes: Vec<Change>,
    },
}

/// One change of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The bits it may touch.
    who: u32,
    action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Add(u32),
    Remove(u32),
    Assign(u32),
    /// Execution, for directories and what somebody may already execute.
    AddExecution,
    /// The bits one class has, for others: the class's shift and what is done.
    Copy {
        shift: u32,
        operator: char,
    },
}

/// Why a text is no mode.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ModeError {
    /// A number out of range or not octal.
    #[error("invalid chmod parameter: {0:?}: an octal number must be between 0 and 07777")]
    Number(String),
    /// Neither a number nor changes.
    #[error("invalid chmod parameter: {0:?}: not what chmod(1) understands")]
    Syntax(String),
}

impl ModeSpec {
    /// Reads an octal number up to 07777, or changes such as `u=rwX,go=rX`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, ModeError> {
        if text.starts_with(|char: char| char.is_ascii_digit()) {
            let number = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
            return number.map(Self::Octal).ok_or_else(|| ModeError::Number(text.to_owned()));
        }
        let clauses: Option<Vec<Vec<Change>>> = text.split(',').map(clause).collect();
        let changes = clauses.ok_or_else(|| ModeError::Syntax(text.to_owned()))?.concat();
        Ok(Self::Symbolic { text: text.to_owned(), changes })
    }

    /// The permissions a file with `mode` gets.
    pub fn apply(&self, mode: u32, is_directory: bool) -> u32 {
        match self {
            Self::Octal(mode) => *mode,
            Self::Symbolic { changes, .. } => {
                let executable = is_directory || mode & 0o111 != 0;
                changes.iter().fold(mode & 0o7777, |mode, change| change.apply(mode, executable))
            }
        }
    }
}

impl Change {
    fn apply(&self, mode: u32, executable: bool) -> u32 {
        match self.action {
            Action::Add(bits) => mode | (bits & self.who),
            Action::Remove(bits) => mode & !(bits & self.who),
            Action::Assign(bits) => (mode & !self.who) | (bits & self.who),
            Action::AddExecution if executable => mode | (0o111 & self.who),
            Action::AddExecution => mode,
            Action::Copy { shift, operator } => {
                let bits = (((mode >> shift) & 0o7) * 0o111) & self.who;
                match operator {
                    '+' => mode | bits,
                    '-' => mode & !bits,
                    _ => (mode & !(self.who & 0o777)) | bits,
                }
            }
        }
    }
}

/// `[ugoa]*([-+=][rwxXstugo]*)+`.
fn clause(text: &str) -> Option<Vec<Change>> {
    let start = text.find(['+', '-', '='])?;
    let (classes, mut rest) = text.split_at(start);
    let who = classes.chars().try_fold(0, |who, class| Some(who | class_bits(class)?))?;
    let mut changes = Vec::new();
    while let Some(operator) = rest.chars().next() {
        let body = &rest[1..];
        let end = body.find(['+', '-', '=']).unwrap_or(body.len());
        changes.extend(action(who, operator, &body[..end])?);
        rest = &body[end..];
    }
    Some(changes)
}

fn class_bits(class: char) -> Option<u32> {
    match class {
        'u' => Some(SET_UID | 0o700),
        'g' => Some(SET_GID | 0o070),
        'o' => Some(0o007),
        'a' => Some(SET_UID | SET_GID | 0o777),
        _ => None,
    }
}

fn action(who: u32, operator: char, permissions: &str) -> Option<Vec<Change>> {
    let only_others = who == 0o007;
    let mut touched = if who == 0 { SET_UID | SET_GID | 0o777 } else { who };
    let (mut bits, mut executes, mut copies) = (0, false, Vec::new());
    for permission in permissions.chars() {
        match permission {
            'r' => bits |= 0o444,
            'w' => bits |= 0o222,
            'x' => bits |= 0o111,
            'X' if operator == '-' => bits |= 0o111,
            'X' => executes = true,
            's' if !only_others => bits |= SET_UID | SET_GID,
            't' if !only_others => {
                bits |= STICKY;
                touched |= STICKY;
            }
            's' | 't' => {}
            'u' => copies.push(6),
            'g' => copies.push(3),
            'o' => copies.push(0),
            _ => return None,
        }
    }
    let mut actions = Vec::new();
    match operator {
        '+' => actions.push(Action::Add(bits)),
        '-' => actions.push(Action::Remove(bits)),
        _ if copies.is_empty() || bits != 0 => actions.push(Action::Assign(bits)),
        _ => {}
    }
    actions.extend(executes.then_some(Action::AddExecution));
    actions.extend(copies.into_iter().map(|shift| Action::Copy { shift, operator }));
    Some(actions.into_iter().map(|action| Change { who: touched, action }).collect())
}

#[cfg(test)]
mod tests {
    use super::{ModeError, ModeSpec};

    #[test]
    fn changes_what_chmod_changes() {
        let cases = [
            ("755", 0o644, false, 0o755),
            ("0", 0o644, false, 0),
            ("7777", 0, true, 0o7777),
            ("u+x", 0o644, false, 0o744),
            ("+x", 0o644, false, 0o755),
            ("a=r", 0o777, false, 0o444),
            ("go-w", 0o666, false, 0o644),
            ("go=", 0o777, false, 0o700),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("a+X", 0o744, false, 0o755),
            ("g=u", 0o750, false, 0o770),
            ("go=u-w", 0o700, false, 0o755),
            ("u+s,g+s", 0o755, false, 0o6755),
            ("+t", 0o777, true, 0o1777),
            ("u-x+w", 0o500, false, 0o600),
        ];
        for (text, before, directory, after) in cases {
            let spec = ModeSpec::parse(text).expect("a mode");
            assert_eq!(spec.apply(before, directory), after, "{text} on {before:o}");
        }
    }

    #[test]
    fn refuses_what_is_no_mode() {
        for text in ["8", "10000", "08", "77777777777"] {
            assert_eq!(ModeSpec::parse(text), Err(ModeError::Number(text.to_owned())));
        }
        for text in ["", "x", "u", "u+q", "z+x", "u+x,", ",u+x", "u+é"] {
            assert_eq!(ModeSpec::parse(text), Err(ModeError::Syntax(text.to_owned())));
        }
    }
}
