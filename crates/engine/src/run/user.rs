//! USER as a process needs it: numbers, groups and a home, as runc and BuildKit find them (moby's `user` package,
//! `GetExecUser`).

use layer::SourceTree;

use crate::owner::{GROUP, OwnerError, PASSWD, database_text};

/// Who a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Supplementary groups: the own one, then the others in the order of the group file.
    pub(crate) groups: Vec<u32>,
    /// `HOME` where nothing else sets it.
    pub(crate) home: String,
}

/// The user that `spec` (`user[:group]`, names or numbers, empty for root) is in `tree`.
pub(crate) fn resolve(tree: Option<&dyn SourceTree>, spec: &str) -> Result<User, OwnerError> {
    let (user, group) = spec.split_once(':').unwrap_or((spec, ""));
    let user = if user.is_empty() { "0" } else { user };
    let passwd = text(tree, PASSWD)?;
    let number = match user {
        "root" if !group.is_empty() => Some(0),
        other => other.parse::<u32>().ok(),
    };
    let account = passwd.lines().filter_map(Account::of).find(|known| known.name == user || number == Some(known.uid));
    if account.is_none() && number.is_none() {
        return Err(OwnerError::NoUser(user.to_owned()));
    }
    let home = account.as_ref().map_or("/", |known| known.home).to_owned();
    let uid = account.as_ref().map_or(number.unwrap_or_default(), |known| known.uid);
    if let (Some(uid), Ok(gid)) = (number, group.parse()) {
        return Ok(User { uid, gid, groups: vec![gid], home });
    }
    let member = account.as_ref().map(|known| known.name);
    let own = account.as_ref().map_or(0, |known| known.gid);
    let (gid, others) = groups(&text(tree, GROUP)?, group, member, own)?;
    let groups = std::iter::once(gid).chain(others.into_iter().filter(|other| *other != gid)).collect();
    Ok(User { uid, gid, groups, home })
}

/// The group asked for, or the user's own with the others it is a member of.
fn groups(database: &str, asked: &str, member: Option<&str>, own: u32) -> Result<(u32, Vec<u32>), OwnerError> {
    let mut lines = database.lines().filter_map(Group::of);
    if asked.is_empty() {
        let of = |group: &Group<'_>| member.is_some_and(|name| group.members.split(',').any(|other| other == name));
        return Ok((own, lines.filter(of).map(|group| group.gid).collect()));
    }
    let number = asked.parse().ok();
    match lines.find(|group| group.name == asked || number == Some(group.gid)) {
        Some(group) => Ok((group.gid, Vec::new())),
        None => Ok((number.ok_or_else(|| OwnerError::NoGroup(asked.to_owned()))?, Vec::new())),
    }
}

/// A file that is not there lists nobody; the stage may be empty.
fn text(tree: Option<&dyn SourceTree>, database: &'static str) -> Result<String, OwnerError> {
    tree.map_or(Ok(String::new()), |tree| database_text(tree, database))
}

/// A line of the password file.
struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

impl<'a> Account<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let fields: Vec<&str> = line.trim().split(':').collect();
        let number = |index: usize| fields.get(index).and_then(|field| field.parse().ok()).unwrap_or_default();
        let name = fields.first().filter(|name| !name.is_empty())?;
        Some(Account { name, uid: number(2), gid: number(3), home: fields.get(5).copied().unwrap_or("/") })
    }
}

/// A line of the group file.
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

impl<'a> Group<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let gid = fields.nth(1)?.parse().unwrap_or_default();
        Some(Group { name, gid, members: fields.next().unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::Overlay;
    use crate::owner::tests::stage;

    fn tree() -> Overlay {
        let passwd = "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n";
        stage(passwd, "root:x:0:\nstaff:x:50:app\nwheel:x:10:root,app\n")
    }

    #[test]
    fn users_are_who_runc_makes_them() {
        let user = |uid, gid, groups: &[u32], home: &str| User { uid, gid, groups: groups.to_vec(), home: home.into() };
        for (spec, expected) in [
            ("", user(0, 0, &[0, 10], "/root")),
            ("root", user(0, 0, &[0, 10], "/root")),
            ("app", user(1000, 1001, &[1001, 50, 10], "/home/app")),
            ("1000", user(1000, 1001, &[1001, 50, 10], "/home/app")),
            ("app:staff", user(1000, 50, &[50], "/home/app")),
            ("1000:1000", user(1000, 1000, &[1000], "/home/app")),
            ("7:8", user(7, 8, &[8], "/")),
            ("7", user(7, 0, &[0], "/")),
            ("app:77", user(1000, 77, &[77], "/home/app")),
        ] {
            assert_eq!(resolve(Some(&tree()), spec).expect(spec), expected, "{spec}");
        }
    }

    #[test]
    fn names_that_are_not_listed_are_refused() {
        let message = |spec| resolve(Some(&tree()), spec).expect_err(spec).to_string();
        assert_eq!(message("ap"), "unable to find user ap: no matching entries in passwd file");
        assert_eq!(message("app:staf"), "unable to find group staf: no matching entries in group file");
    }

    #[test]
    fn an_empty_stage_has_root_and_numbers() {
        assert_eq!(resolve(None, "").expect("root").home, "/");
        assert_eq!(resolve(None, "5:6").expect("numbers").gid, 6);
    }
}
