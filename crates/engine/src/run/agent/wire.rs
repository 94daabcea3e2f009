//! How SSH writes numbers, strings and messages (RFC 4251, section 5; draft-ietf-sshm-ssh-agent, section 3).

use std::io::{self, Read, Write};

/// Longer messages are nobody's: OpenSSH has the same limit.
const MAX_MESSAGE: u32 = 256 << 10;

/// What is left to be read of a message.
pub(super) struct Parts<'a>(pub(super) &'a [u8]);

impl<'a> Parts<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

/// Appends a number.
pub(super) fn put_number(message: &mut Vec<u8>, number: usize) {
    message.extend(u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
}

/// Appends a string.
pub(super) fn put(message: &mut Vec<u8>, text: &[u8]) {
    put_number(message, text.len());
    message.extend(text);
}

/// Several strings.
pub(super) fn strings(texts: &[&[u8]]) -> Vec<u8> {
    let mut message = Vec::new();
    texts.iter().for_each(|text| put(&mut message, text));
    message
}

/// A positive number of any length: no zero in front but the one that says it is positive.
pub(super) fn integer(bytes: &[u8]) -> Vec<u8> {
    let digits = significant(bytes);
    let sign = digits.first().is_some_and(|first| first & 0x80 != 0);
    std::iter::repeat_n(0, usize::from(sign)).chain(digits.iter().copied()).collect()
}

/// Without the zeroes in front.
pub(super) fn significant(bytes: &[u8]) -> &[u8] {
    let zeroes = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeroes..).unwrap_or_default()
}

/// The next message; `None` when the other side has said all it had to say.
pub(super) fn receive(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let length = u32::from_be_bytes(length);
    if length == 0 || length > MAX_MESSAGE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; length as usize];
    from.read_exact(&mut message)?;
    Ok(Some(message))
}

pub(super) fn send(to: &mut impl Write, message: &[u8]) -> io::Result<()> {
    to.write_all(&strings(&[message]))
}
