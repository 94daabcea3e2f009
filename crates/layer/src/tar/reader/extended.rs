//! What PAX and GNU headers say of the member that follows them.

use std::collections::BTreeMap;

use super::sparse::{self, SparseMap};
use super::{field, malformed, refused};
use crate::Error;
use crate::tar::pax;

/// Global records count for every member that follows, so few of them go a long way: no writer puts more than a comment or
/// a few attributes there.
const MAX_GLOBAL: usize = 64;
const MAX_GLOBAL_BYTES: usize = 64 << 10;

/// The records in force for one member, or for all that follow.
#[derive(Debug, Clone, Default)]
pub(super) struct Extended {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// `GNU.sparse.offset` and `.numbytes` of format 0.0 come many times, and in order.
    sparse_pairs: Vec<u64>,
    gnu_name: Option<Vec<u8>>,
    gnu_link: Option<Vec<u8>>,
}

impl Extended {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.gnu_name.is_none() && self.gnu_link.is_none()
    }

    /// A local header. Two of them for one member are ambiguous: readers differ on whether the first still counts.
    pub(super) fn add_pax(&mut self, data: &[u8], member: &str) -> Result<(), Error> {
        if !self.records.is_empty() || !self.sparse_pairs.is_empty() {
            return Err(malformed(member, "two PAX headers describe one member"));
        }
        self.add(data, member)
    }

    /// A global header. What would change where following members begin or lie is refused: readers disagree on it.
    pub(super) fn add_global(&mut self, data: &[u8], member: &str) -> Result<(), Error> {
        self.add(data, member)?;
        let decisive = |key: &[u8]| matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.");
        if self.records.keys().any(|key| decisive(key)) || !self.sparse_pairs.is_empty() {
            return Err(refused(member, "a global PAX header sets a name or a size"));
        }
        let bytes: usize = self.records.iter().map(|(key, value)| key.len() + value.len()).sum();
        if self.records.len() > MAX_GLOBAL || bytes > MAX_GLOBAL_BYTES {
            return Err(refused(member, "its global PAX headers have more than 64 records, or 64 KiB"));
        }
        Ok(())
    }

    pub(super) fn set_gnu_name(&mut self, data: Vec<u8>, member: &str) -> Result<(), Error> {
        set_once(&mut self.gnu_name, data, member)
    }

    pub(super) fn set_gnu_link(&mut self, data: Vec<u8>, member: &str) -> Result<(), Error> {
        set_once(&mut self.gnu_link, data, member)
    }

    fn add(&mut self, data: &[u8], member: &str) -> Result<(), Error> {
        let mut rest = data;
        while !rest.is_empty() {
            let ((key, value), after) =
                split_record(rest).ok_or_else(|| malformed(member, "a PAX record is malformed"))?;
            rest = after;
            match key {
                b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => self.add_sparse(key, value, member)?,
                _ => drop(self.records.insert(key.to_vec(), value.to_vec())),
            }
        }
        Ok(())
    }

    fn add_sparse(&mut self, key: &[u8], value: &[u8], member: &str) -> Result<(), Error> {
        let expected: &[u8] =
            if self.sparse_pairs.len().is_multiple_of(2) { b"GNU.sparse.offset" } else { b"GNU.sparse.numbytes" };
        let number = field::decimal(value).filter(|_| key == expected);
        self.sparse_pairs.push(number.ok_or_else(|| malformed(member, "its sparse map is malformed"))?);
        Ok(())
    }

    /// This member's records over the global ones. An empty value withdraws a record (POSIX).
    pub(super) fn over(&self, global: &Extended) -> Extended {
        let mut all = self.clone();
        for (key, value) in &global.records {
            all.records.entry(key.clone()).or_insert_with(|| value.clone());
        }
        all.records.retain(|key, value| !value.is_empty() || key.starts_with(pax::XATTR));
        all
    }

    /// The long name, by whichever extension.
    pub(super) fn path(&self, member: &str) -> Result<Option<&[u8]>, Error> {
        let pax = self.records.get(&b"path"[..]);
        // GNU's sparse formats move the real name aside, so that old readers do not overwrite a file with the packed form.
        let pax = self.records.get(&b"GNU.sparse.name"[..]).or(pax);
        one_of(pax, self.gnu_name.as_ref(), member)
    }

    pub(super) fn link(&self, member: &str) -> Result<Option<&[u8]>, Error> {
        one_of(self.records.get(&b"linkpath"[..]), self.gnu_link.as_ref(), member)
    }

    /// A decimal record.
    pub(super) fn number(&self, key: &str, member: &str) -> Result<Option<u64>, Error> {
        let Some(value) = self.records.get(key.as_bytes()) else { return Ok(None) };
        let number = field::decimal(value);
        number.map(Some).ok_or_else(|| malformed(member, format!("its PAX {key} is not a number")))
    }

    pub(super) fn mtime(&self, member: &str) -> Result<Option<crate::Timestamp>, Error> {
        let Some(value) = self.records.get(&b"mtime"[..]) else { return Ok(None) };
        field::time(value).map(Some).ok_or_else(|| malformed(member, "its PAX mtime is not a time"))
    }

    pub(super) fn xattrs(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let named = self.records.iter().filter_map(|(key, value)| {
            let name = key.strip_prefix(pax::XATTR).filter(|name| !name.is_empty())?;
            Some((name.to_vec(), value.clone()))
        });
        named.collect()
    }

    /// Whether the sparse map precedes the data (format 1.0).
    pub(super) fn sparse_in_data(&self) -> bool {
        self.records.get(&b"GNU.sparse.major"[..]).is_some_and(|major| major == b"1")
    }

    /// The real size of a sparse file of any PAX format.
    pub(super) fn sparse_size(&self, member: &str) -> Result<u64, Error> {
        let size = match self.number("GNU.sparse.realsize", member)? {
            Some(size) => Some(size),
            None => self.number("GNU.sparse.size", member)?,
        };
        size.ok_or_else(|| malformed(member, "a sparse file has no size"))
    }

    /// The sparse map of formats 0.0 and 0.1.
    pub(super) fn sparse_map(&self, member: &str) -> Result<Option<SparseMap>, Error> {
        let listed = self.records.get(&b"GNU.sparse.map"[..]);
        if listed.is_none() && self.sparse_pairs.is_empty() {
            let other = self.records.keys().any(|key| key.starts_with(b"GNU.sparse.") && key != b"GNU.sparse.name");
            return if other { Err(malformed(member, "a sparse file has no map")) } else { Ok(None) };
        }
        let numbers = match listed {
            Some(list) => list.split(|b| *b == b',').map(field::decimal).collect::<Option<Vec<u64>>>(),
            None => Some(self.sparse_pairs.clone()),
        };
        let numbers = numbers.ok_or_else(|| malformed(member, "its sparse map is malformed"))?;
        sparse::from_numbers(&numbers, self.sparse_size(member)?, member).map(Some)
    }
}

fn set_once(slot: &mut Option<Vec<u8>>, mut data: Vec<u8>, member: &str) -> Result<(), Error> {
    data.truncate(field::text(&data).len());
    match slot.replace(data) {
        None => Ok(()),
        Some(_) => Err(malformed(member, "two GNU headers give it a name")),
    }
}

fn one_of<'v>(pax: Option<&'v Vec<u8>>, gnu: Option<&'v Vec<u8>>, member: &str) -> Result<Option<&'v [u8]>, Error> {
    match (pax, gnu) {
        (Some(_), Some(_)) => Err(malformed(member, "a PAX and a GNU header both give it a name")),
        (pax, gnu) => Ok(pax.or(gnu).map(Vec::as_slice)),
    }
}

/// `LENGTH KEY=VALUE\n`, and what follows.
type Record<'d> = (&'d [u8], &'d [u8]);

fn split_record(data: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let blank = data.iter().take(20).position(|b| *b == b' ')?;
    let length = usize::try_from(field::decimal(data.get(..blank)?)?).ok()?;
    let (record, rest) = data.split_at_checked(length)?;
    let body = record.get(blank + 1..)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|b| *b == b'=').filter(|at| *at > 0)?;
    Some(((body.get(..equals)?, body.get(equals + 1..)?), rest))
}
