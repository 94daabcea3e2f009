//! What a hash is made of, said so that two of them can be compared.

use std::collections::BTreeMap;
use std::fmt;

use oci::{Digest, Hasher};

use super::digest::record;

/// Something that went into a hash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ingredient {
    /// What it is, such as `tree` or `base`.
    pub kind: &'static str,
    /// Which, such as a path or the name of a build argument.
    pub name: String,
    /// Its own hash or value.
    pub value: String,
}

impl Ingredient {
    /// An ingredient.
    pub fn new(kind: &'static str, name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { kind, name: name.into(), value: value.into() }
    }

    /// The hash over `ingredients`, in whatever order they come.
    #[must_use]
    pub fn hash(ingredients: &[Self]) -> Digest {
        let mut sorted: Vec<&Self> = ingredients.iter().collect();
        sorted.sort();
        let mut hasher = Hasher::new();
        record(&mut hasher, b"shipsmith package", b"1");
        for ingredient in sorted {
            record(&mut hasher, ingredient.kind.as_bytes(), ingredient.name.as_bytes());
            record(&mut hasher, b"value", ingredient.value.as_bytes());
        }
        hasher.finish()
    }
}

impl fmt::Display for Ingredient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.kind, self.name, self.value)
    }
}

/// What of `old` is not in `new`, with `-` in front, and the other way round with `+`.
#[must_use]
pub fn difference(old: &[Ingredient], new: &[Ingredient]) -> Vec<String> {
    let mut lines: BTreeMap<(&'static str, &str), Vec<String>> = BTreeMap::new();
    for (sign, these, those) in [('-', old, new), ('+', new, old)] {
        for one in these.iter().filter(|one| !those.contains(one)) {
            lines.entry((one.kind, &one.name)).or_default().push(format!("{sign} {one}"));
        }
    }
    lines.into_values().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_covers_each_part_and_no_order() {
        let (a, b) = (Ingredient::new("arg", "A", "1"), Ingredient::new("base", "b", "2"));
        assert_eq!(Ingredient::hash(&[a.clone(), b.clone()]), Ingredient::hash(&[b.clone(), a.clone()]));
        for other in
            [Ingredient::new("arg", "A1", ""), Ingredient::new("arg", "", "A1"), Ingredient::new("base", "A", "1")]
        {
            assert_ne!(Ingredient::hash(&[other, b.clone()]), Ingredient::hash(&[a.clone(), b.clone()]));
        }
    }

    #[test]
    fn a_difference_stands_together() {
        let old = [Ingredient::new("arg", "A", "1"), Ingredient::new("tree", ".", "x")];
        let new =
            [Ingredient::new("arg", "A", "2"), Ingredient::new("tree", ".", "x"), Ingredient::new("arg", "B", "3")];
        assert_eq!(difference(&old, &new), ["- arg A 1", "+ arg A 2", "+ arg B 3"]);
        assert!(difference(&old, &old).is_empty());
    }
}
