//! Reading the profile's data file, whose notation is described in it.

use super::super::capabilities;

/// One system call under one condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule<'t> {
    pub name: &'t str,
    /// Allowed only if this holds.
    pub condition: Option<Comparison>,
    /// Not allowed, but refused in this way.
    pub fails_with: Option<libc::c_int>,
}

/// An argument, and what it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less(u8, u64),
    Equal(u8, u64),
    Greater(u8, u64),
    /// Argument, mask, value.
    Masked(u8, u64, u64),
}

/// The rules for a process with the default capabilities on an architecture.
pub(super) fn rules<'t>(text: &'t str, architecture: &str) -> Vec<Rule<'t>> {
    let mut rules = Vec::new();
    let mut holds = false;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            holds = section.split(", ").all(|condition| applies(condition, architecture));
        } else if holds {
            rules.extend(parse(line));
        }
    }
    rules
}

fn applies(condition: &str, architecture: &str) -> bool {
    let is_had = |name: &str| capabilities::named(name).is_some_and(|named| capabilities::default().contains(named));
    let is_here = |names: &str| names.split(' ').any(|name| name == architecture);
    match condition.split_once(' ') {
        None => condition == "always",
        Some(("with", name)) => is_had(name),
        Some(("without", name)) => !is_had(name),
        Some(("on", names)) => is_here(names),
        Some((_, names)) => !names.strip_prefix("on ").is_some_and(is_here),
    }
}

fn parse(line: &str) -> Vec<Rule<'_>> {
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    // A condition that is not understood allows nothing.
    let only_if = |name, condition: Option<Comparison>| {
        condition.map(|_| Rule { name, condition, fails_with: None }).into_iter().collect()
    };
    match words[..] {
        [name, "fails", "with", "ENOSYS"] => vec![Rule { name, condition: None, fails_with: Some(libc::ENOSYS) }],
        [name, "if", argument, operator, value] => only_if(name, comparison(argument, None, operator, value)),
        [name, "if", argument, "&", mask, operator, value] => {
            only_if(name, comparison(argument, number(mask), operator, value))
        }
        _ => words.into_iter().map(|name| Rule { name, condition: None, fails_with: None }).collect(),
    }
}

fn comparison(argument: &str, mask: Option<u64>, operator: &str, value: &str) -> Option<Comparison> {
    let (argument, value) = (argument.parse().ok()?, number(value)?);
    match (mask, operator) {
        (Some(mask), "=") => Some(Comparison::Masked(argument, mask, value)),
        (None, "<") => Some(Comparison::Less(argument, value)),
        (None, "=") => Some(Comparison::Equal(argument, value)),
        (None, ">") => Some(Comparison::Greater(argument, value)),
        _ => None,
    }
}

fn number(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::super::PROFILE;
    use super::*;

    #[test]
    fn sections_hold_by_capability_and_architecture() {
        let text = "[always]\na b\n[with CAP_CHOWN]\nc\n[without CAP_CHOWN]\nd\n[on x y]\ne\n[not on x]\nf\n";
        let names = |architecture| rules(text, architecture).iter().map(|rule| rule.name).collect::<String>();
        assert_eq!(names("x"), "abce");
        assert_eq!(names("z"), "abcf");
    }

    #[test]
    fn conditions_are_read() {
        let text = "[always]\nclone if 0 & 0xf0 = 0x0\nsocket if 0 < 0x26\nclone3 fails with ENOSYS\n";
        let rules = rules(text, "x");
        assert_eq!(rules[0].condition, Some(Comparison::Masked(0, 0xf0, 0)));
        assert_eq!(rules[1].condition, Some(Comparison::Less(0, 0x26)));
        assert_eq!(rules[2].fails_with, Some(libc::ENOSYS));
    }

    #[test]
    fn every_conditional_line_of_the_profile_is_understood() {
        let conditional = PROFILE.lines().filter(|line| !line.starts_with('#') && line.contains(" if "));
        for line in conditional {
            assert_eq!(parse(line).len(), 1, "{line}");
        }
    }
}
