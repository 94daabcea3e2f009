//! Keys: digests over fields, each with its length, so that no two sequences of fields look alike.

use oci::{Digest, Hasher};

/// A key in the making.
pub(crate) struct Framed(Hasher);

impl Framed {
    /// A key of one kind of thing; `format` names the kind and its version.
    pub(crate) fn new(format: &str) -> Self {
        let mut key = Self(Hasher::new());
        key.put(format.as_bytes());
        key
    }

    /// A field.
    pub(crate) fn put(&mut self, field: &[u8]) {
        self.0.update(&(field.len() as u64).to_le_bytes());
        self.0.update(field);
    }

    /// Fields of any number.
    pub(crate) fn list<'a>(&mut self, fields: impl Iterator<Item = &'a [u8]>) {
        let mut count: u64 = 0;
        for field in fields {
            self.put(field);
            count += 1;
        }
        self.put(&count.to_le_bytes());
    }

    /// The key.
    pub(crate) fn finish(self) -> Digest {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_fields_end_matters() {
        let key = |fields: &[&str]| {
            let mut key = Framed::new("test");
            fields.iter().for_each(|field| key.put(field.as_bytes()));
            key.finish()
        };
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["ab"]), key(&["ab", ""]));
    }
}
