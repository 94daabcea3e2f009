//! Tars made by hand, as no honest program makes them.

/// One member: a header that says what it is told, and data padded to blocks.
#[derive(Clone)]
pub(crate) struct Raw {
    header: [u8; 512],
    data: Vec<u8>,
}

impl Raw {
    pub(crate) fn new(kind: u8, name: &str, data: &[u8]) -> Raw {
        let raw = Raw { header: [0; 512], data: data.to_vec() };
        raw.set(0, name.as_bytes())
            .set(100, b"0000644\0")
            .set(108, b"0000000\0")
            .set(116, b"0000000\0")
            .set(136, b"00000000000\0")
            .set(156, &[kind])
            .set(257, b"ustar\x0000")
            .set(329, b"0000000\0")
            .set(337, b"0000000\0")
            .size(data.len() as u64)
    }

    pub(crate) fn size(self, size: u64) -> Raw {
        self.set(124, format!("{size:011o}\0").as_bytes())
    }

    pub(crate) fn link(self, target: &str) -> Raw {
        self.set(157, target.as_bytes())
    }

    pub(crate) fn set(mut self, offset: usize, bytes: &[u8]) -> Raw {
        self.header[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(crate) fn bytes(mut self) -> Vec<u8> {
        self.header[148..156].fill(b' ');
        let sum: u32 = self.header.iter().map(|b| u32::from(*b)).sum();
        self.header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut bytes = self.header.to_vec();
        bytes.extend_from_slice(&self.data);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }
}

/// A PAX header with these records.
pub(crate) fn pax(kind: u8, records: &[(&str, &str)]) -> Raw {
    let mut data = String::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (rest + 1..).find(|length| rest + length.to_string().len() == *length).expect("a length");
        data.push_str(&format!("{length} {key}={value}\n"));
    }
    Raw::new(kind, "PaxHeaders/x", data.as_bytes())
}

/// The members and the closing blocks.
pub(crate) fn archive(members: impl IntoIterator<Item = Raw>) -> Vec<u8> {
    let mut bytes: Vec<u8> = members.into_iter().flat_map(Raw::bytes).collect();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}
