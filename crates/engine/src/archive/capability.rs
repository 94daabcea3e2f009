//! File capabilities of archives, as Linux takes and gives them.

use layer::Entry;

use super::refused;
use crate::Error;

const NAME: &[u8] = b"security.capability";
/// The revision with two words of each set, and the one that adds the user id of a namespace's root.
const VERSION_2: [u8; 3] = [0, 0, 2];
const VERSION_3: [u8; 3] = [0, 0, 3];

/// Refuses a capability that the kernel would not set; one of the first user namespace becomes what it reads there.
pub(super) fn check(entry: &mut Entry) -> Result<(), Error> {
    let Some(value) = entry.xattrs.get_mut(NAME) else { return Ok(()) };
    match value.split_first() {
        Some((0 | 1, rest)) if rest.starts_with(&VERSION_2) && value.len() == 20 => Ok(()),
        Some((0 | 1, rest)) if rest.starts_with(&VERSION_3) && value.len() == 24 => {
            if value.ends_with(&[0; 4]) {
                value.truncate(20);
                value[3] = 2;
            }
            Ok(())
        }
        _ => Err(refused(entry, "its security.capability is malformed".into())),
    }
}

#[cfg(test)]
mod tests {
    use layer::EntryKind;
    use rootfs::TreePath;

    use super::*;

    fn checked(value: &[u8]) -> Option<Vec<u8>> {
        let mut entry = Entry::new(TreePath::root(), EntryKind::Directory, 0o755);
        entry.xattrs.insert(NAME.to_vec(), value.to_vec());
        check(&mut entry).ok().map(|()| entry.xattrs[NAME].clone())
    }

    fn capability(version: u8, flags: u8, root: &[u8]) -> Vec<u8> {
        [&[flags, 0, 0, version], &[0, 4, 0, 0][..], &[0; 12], root].concat()
    }

    #[test]
    fn what_the_kernel_takes_is_taken() {
        let second = capability(2, 1, b"");
        assert_eq!(checked(&second).as_ref(), Some(&second));
        let of_user_1000 = capability(3, 0, &[0xe8, 3, 0, 0]);
        assert_eq!(checked(&of_user_1000).as_ref(), Some(&of_user_1000));
        assert_eq!(checked(&capability(3, 1, &[0; 4])), Some(second));
    }

    #[test]
    fn anything_else_is_malformed() {
        let wrong = [capability(2, 2, b""), capability(1, 0, b""), capability(2, 0, &[0; 4]), capability(3, 0, b"")];
        for value in wrong.iter().map(Vec::as_slice).chain([b"".as_slice(), b"x"]) {
            assert_eq!(checked(value), None, "{value:?}");
        }
    }
}
