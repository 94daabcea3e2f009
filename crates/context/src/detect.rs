//! Telling an archive from a Dockerfile by its first bytes, for what comes through standard input or from a URL.

use std::io::{self, Read};

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// A tar, plain or compressed: a context.
    Archive,
    /// Anything else: a Dockerfile.
    Dockerfile,
}

/// As much as BuildKit looks at: two tar blocks.
const PEEKED: u64 = 1024;
const COMPRESSED: [&[u8]; 4] = [
    b"BZh",
    b"\x1f\x8b\x08",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd", // zstd, which BuildKit takes for a Dockerfile
];

/// Looks at the beginning of `stream`; the reader that comes back begins with it again.
///
/// # Errors
/// When the stream cannot be read.
pub fn detect<R: Read>(mut stream: R) -> io::Result<(Held, impl Read)> {
    let mut start = Vec::new();
    stream.by_ref().take(PEEKED).read_to_end(&mut start)?;
    let archive = COMPRESSED.iter().any(|magic| start.starts_with(magic)) || is_tar(&start);
    let held = if archive { Held::Archive } else { Held::Dockerfile };
    Ok((held, io::Cursor::new(start).chain(stream)))
}

/// Whether the first block is a tar header: its checksum says so, in each dialect (POSIX ustar, "chksum").
fn is_tar(start: &[u8]) -> bool {
    let Some(block) = start.first_chunk::<512>() else { return false };
    let (before, rest) = block.split_at(148);
    let (field, after) = rest.split_at(8);
    let digits: Vec<u8> = field.iter().copied().skip_while(|byte| *byte == b' ').collect();
    let digits = digits.split(|byte| !matches!(byte, b'0'..=b'7')).next().unwrap_or_default();
    let stated = std::str::from_utf8(digits).ok().and_then(|text| u32::from_str_radix(text, 8).ok());
    let sum: u32 = before.iter().chain(after).map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
    stated == Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(bytes: &[u8]) -> Held {
        let (held, mut rest) = detect(bytes).expect("readable");
        let mut again = Vec::new();
        rest.read_to_end(&mut again).expect("readable");
        assert_eq!(again, bytes, "nothing is lost by looking");
        held
    }

    #[test]
    fn archives_are_known_by_what_they_begin_with() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        builder.append_data(&mut header, "Dockerfile", io::empty()).expect("written");
        assert_eq!(held(&builder.into_inner().expect("written")), Held::Archive);
        assert_eq!(held(b"\x1f\x8b\x08rest"), Held::Archive);
    }

    #[test]
    fn the_rest_is_a_dockerfile() {
        assert_eq!(held(b""), Held::Dockerfile);
        assert_eq!(held(b"FROM scratch\n"), Held::Dockerfile);
        assert_eq!(held(&[b'#'; 2000]), Held::Dockerfile);
        assert_eq!(held(&[0; 1024]), Held::Dockerfile);
    }
}
