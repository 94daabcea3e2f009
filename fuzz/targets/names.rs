//! References, platforms and digests: what is accepted is normal, and reads back as itself.
#![no_main]

use std::fmt::Display;
use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use oci::{Digest, Platform, Reference, Repository};

fuzz_target!(|text: &str| {
    let reference = comes_back::<Reference>(text);
    if let Some(reference) = reference {
        let _ = comes_back::<Reference>(&reference.familiar());
        let _ = comes_back::<Repository>(&reference.repository().to_string());
        assert!(reference.clone().or_latest().to_string().starts_with(&reference.repository().to_string()));
    }
    if let Some(platform) = comes_back::<Platform>(text) {
        assert!(platform.serves(&platform), "{platform} serves itself");
    }
    let _ = Digest::parse(text).map(|digest| assert_eq!(digest.as_str(), text));
});

fn comes_back<T: FromStr + Display + PartialEq + std::fmt::Debug>(text: &str) -> Option<T> {
    let value: T = text.parse().ok()?;
    let shown = value.to_string();
    let again: Option<T> = shown.parse().ok();
    assert_eq!(again.as_ref(), Some(&value), "{text:?} shown as {shown:?}");
    Some(value)
}
