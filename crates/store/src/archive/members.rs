//! Reading a tar made by others, of which only names, sizes and contents matter.
//!
//! Names are keys here and never become paths. What describes a member (names, PAX records) is bounded; contents are streamed.

use std::io::{self, Read};

use crate::Error;

/// Blocks of a tar, in bytes.
const BLOCK: usize = 512;
/// The longest description (long name, PAX records) of one member, in bytes.
const MAX_DESCRIPTION: u64 = 1 << 20;
/// The most members an archive of images may have.
const MAX_MEMBERS: usize = 1 << 16;

/// A member's name and what it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Cleaned: no empty, `.` or `..` component.
    pub(super) name: String,
    pub(super) kind: MemberKind,
}

/// What a member is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MemberKind {
    /// A regular file, whose content can be read from the [`Members`] now.
    File,
    /// A link to another member, by its cleaned name.
    Link(String),
    /// A directory or something that has no meaning here.
    Other,
}

/// The members of a tar, one after the other; reading it reads the content of the current one.
#[derive(Debug)]
pub(super) struct Members<R> {
    tar: R,
    left: u64,
    padding: u64,
    seen: usize,
}

/// What precedes a member and overrides its header.
#[derive(Debug, Default)]
struct Overrides {
    name: Option<String>,
    target: Option<String>,
    size: Option<u64>,
}

impl<R: Read> Members<R> {
    pub(super) fn new(tar: R) -> Self {
        Self { tar, left: 0, padding: 0, seen: 0 }
    }

    /// The next member; what is left of the last one is skipped.
    pub(super) fn next(&mut self) -> Result<Option<Member>, Error> {
        let mut overrides = Overrides::default();
        while let Some(header) = self.header()? {
            let size = header.size().map_err(broken)?;
            match header.entry_type().as_byte() {
                b'x' => overrides.read_pax(&self.description(size)?)?,
                b'L' => overrides.name = Some(c_text(&self.description(size)?)?),
                b'K' => overrides.target = Some(c_text(&self.description(size)?)?),
                b'g' => drop(self.description(size)?),
                _ => return self.member(&header, overrides).map(Some),
            }
        }
        Ok(None)
    }

    fn member(&mut self, header: &tar::Header, overrides: Overrides) -> Result<Member, Error> {
        self.seen += 1;
        if self.seen > MAX_MEMBERS {
            return Err(Error::Archive(format!("it has more than {MAX_MEMBERS} members")));
        }
        let name = overrides.name.map_or_else(|| text(&header.path_bytes()), Ok)?;
        let target = || overrides.target.map_or_else(|| text(&header.link_name_bytes().unwrap_or_default()), Ok);
        let kind = match header.entry_type().as_byte() {
            b'0' | b'\0' | b'7' if !name.ends_with('/') => MemberKind::File,
            b'1' => MemberKind::Link(clean("", &target()?)),
            b'2' => MemberKind::Link(clean(parent(&clean("", &name)), &target()?)),
            _ => MemberKind::Other,
        };
        let has_content = !matches!(header.entry_type().as_byte(), b'1'..=b'6');
        let size = overrides.size.map_or_else(|| header.size().map_err(broken), Ok)?;
        self.begin(if has_content { size } else { 0 })?;
        Ok(Member { name: clean("", &name), kind })
    }

    /// The next header; `None` at the end mark, or where the archive simply stops between members.
    fn header(&mut self) -> Result<Option<tar::Header>, Error> {
        io::copy(self, &mut io::sink()).map_err(broken)?;
        let padding = self.padding;
        self.padding = 0;
        self.exactly(padding, |rest| io::copy(rest, &mut io::sink()).map(drop))?;
        let mut header = tar::Header::new_old();
        let count = read_full(&mut self.tar, header.as_mut_bytes()).map_err(broken)?;
        if count == 0 || (count == BLOCK && header.as_bytes().iter().all(|byte| *byte == 0)) {
            return Ok(None);
        }
        if count < BLOCK {
            return Err(Error::Archive("it is cut short".into()));
        }
        check_sum(&header)?;
        Ok(Some(header))
    }

    fn begin(&mut self, size: u64) -> Result<(), Error> {
        let padded =
            size.checked_next_multiple_of(BLOCK as u64).ok_or_else(|| Error::Archive("a size is too large".into()))?;
        (self.left, self.padding) = (size, padded - size);
        Ok(())
    }

    fn description(&mut self, size: u64) -> Result<Vec<u8>, Error> {
        if size > MAX_DESCRIPTION {
            return Err(Error::Archive(format!("a member is described in {size} bytes")));
        }
        self.begin(size)?;
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).map_err(broken)?;
        Ok(bytes)
    }

    fn exactly(&mut self, count: u64, work: impl FnOnce(&mut io::Take<&mut R>) -> io::Result<()>) -> Result<(), Error> {
        let mut limited = (&mut self.tar).take(count);
        work(&mut limited).map_err(broken)
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (&mut self.tar).take(self.left).read(buffer)?;
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is cut short"));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

impl Overrides {
    /// Records are `LENGTH KEY=VALUE\n` (POSIX.1-2001 pax, extended header).
    fn read_pax(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        let malformed = || Error::Archive("a PAX record is malformed".into());
        while !bytes.is_empty() {
            let space = bytes.iter().position(|byte| *byte == b' ').ok_or_else(malformed)?;
            let (digits, _) = bytes.split_at(space);
            let length: usize = text(digits)?.parse().map_err(|_| malformed())?;
            let record =
                bytes.get(space + 1..length).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(malformed)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
            let (key, value) = record.split_at(equals);
            self.apply(key, value.get(1..).unwrap_or_default())?;
            bytes = bytes.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    fn apply(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        match key {
            b"path" => self.name = Some(text(value)?),
            b"linkpath" => self.target = Some(text(value)?),
            b"size" => {
                let size = text(value)?.parse().map_err(|_| Error::Archive("a PAX size is malformed".into()))?;
                self.size = Some(size);
            }
            _ => {}
        }
        Ok(())
    }
}

/// `path` seen from `base`, without empty, `.` and `..` components; it cannot leave the archive.
fn clean(base: &str, path: &str) -> String {
    let base = if path.starts_with('/') { "" } else { base };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn text(bytes: &[u8]) -> Result<String, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::Archive("a name in it is not UTF-8".into()))?;
    Ok(text.to_owned())
}

fn c_text(bytes: &[u8]) -> Result<String, Error> {
    text(bytes.split(|byte| *byte == 0).next().unwrap_or_default())
}

fn broken(error: io::Error) -> Error {
    Error::Archive(error.to_string())
}

/// The sum of the header's bytes, its own field taken as spaces (POSIX ustar).
fn check_sum(header: &tar::Header) -> Result<(), Error> {
    let sum = |range: std::ops::Range<usize>| {
        header.as_bytes().get(range).unwrap_or_default().iter().map(|byte| u32::from(*byte)).sum::<u32>()
    };
    if header.cksum().is_ok_and(|stated| stated == sum(0..148) + 8 * 32 + sum(156..BLOCK)) {
        return Ok(());
    }
    Err(Error::Archive("a header's checksum is wrong; is it a tar?".into()))
}

/// Reads until `buffer` is full or the input ends; returns how many bytes that were.
fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
