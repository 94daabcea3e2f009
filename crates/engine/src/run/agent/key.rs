//! Private keys from files: read once, held in memory, used to sign.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::wire::{Parts, integer, significant, strings};

/// As in BuildKit.
const MAX_FILE: u64 = 100 << 10;
/// `SSH_AGENT_RSA_SHA2_256`, `SSH_AGENT_RSA_SHA2_512`.
const RSA_SHA2_256: u32 = 2;
const RSA_SHA2_512: u32 = 4;

/// A private key that `--ssh` names.
pub struct AgentKey {
    /// The public key, by which a client asks for it.
    pub(super) public: Vec<u8>,
    /// What its owner calls it.
    pub(super) comment: String,
    secret: Secret,
}

enum Secret {
    Ed25519(Ed25519KeyPair),
    Ecdsa(&'static Curve, EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

struct Curve {
    name: &'static str,
    algorithm: &'static EcdsaSigningAlgorithm,
}

const CURVES: [Curve; 3] = [
    Curve { name: "nistp256", algorithm: &ECDSA_P256_SHA256_FIXED_SIGNING },
    Curve { name: "nistp384", algorithm: &ECDSA_P384_SHA384_FIXED_SIGNING },
    Curve { name: "nistp521", algorithm: &ECDSA_P521_SHA512_FIXED_SIGNING },
];

/// Why a file is no key that can be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum AgentKeyError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is larger than a key", .0.display())]
    Size(PathBuf),
    #[error("{} is neither the socket of an agent nor a private key", .0.display())]
    Format(PathBuf),
    #[error("the key in {} has a passphrase", .0.display())]
    Encrypted(PathBuf),
    #[error("the key in {} is of a kind that cannot be used here: {kind}", path.display())]
    Kind { path: PathBuf, kind: String },
}

impl AgentKeyError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Encrypted(_) => Some("add it to an agent with ssh-add, and give --ssh default"),
            Self::Kind { .. } => Some("ed25519, ecdsa and rsa from 2048 bits can be used; others by an agent"),
            Self::Format(_) | Self::Size(_) => Some("name a private key, such as ~/.ssh/id_ed25519"),
            Self::Read { .. } => None,
        }
    }
}

/// What is wrong with a text that should be a key.
enum Wrong {
    Format,
    Encrypted,
    Kind(String),
}

impl AgentKey {
    /// Reads a private key without a passphrase: OpenSSH's own format, PKCS #1, PKCS #8 or SEC 1, as text.
    ///
    /// # Errors
    /// When the file cannot be read, is no such key, or needs a passphrase.
    pub fn read(path: &Path) -> Result<Self, AgentKeyError> {
        let failed = |source| AgentKeyError::Read { path: path.to_owned(), source };
        let mut text = Vec::new();
        File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut text)).map_err(failed)?;
        if text.len() as u64 > MAX_FILE {
            return Err(AgentKeyError::Size(path.to_owned()));
        }
        Self::parse(&text).map_err(|wrong| match wrong {
            Wrong::Format => AgentKeyError::Format(path.to_owned()),
            Wrong::Encrypted => AgentKeyError::Encrypted(path.to_owned()),
            Wrong::Kind(kind) => AgentKeyError::Kind { path: path.to_owned(), kind },
        })
    }

    fn parse(text: &[u8]) -> Result<Self, Wrong> {
        let (label, body) = unarmoured(std::str::from_utf8(text).map_err(|_| Wrong::Format)?).ok_or(Wrong::Format)?;
        if label == "ENCRYPTED PRIVATE KEY" || body.contains("ENCRYPTED") {
            return Err(Wrong::Encrypted);
        }
        let packed: String = body.split_whitespace().collect();
        let bytes = STANDARD.decode(packed).map_err(|_| Wrong::Format)?;
        match label {
            "OPENSSH PRIVATE KEY" => from_openssh(&bytes),
            "RSA PRIVATE KEY" | "EC PRIVATE KEY" | "PRIVATE KEY" => from_der(&bytes).ok_or(Wrong::Format),
            other => Err(Wrong::Kind(other.strip_suffix(" PRIVATE KEY").unwrap_or(other).to_owned())),
        }
    }

    fn new(secret: Secret, comment: &[u8]) -> Option<Self> {
        Some(Self { public: secret.public()?, comment: String::from_utf8_lossy(comment).into_owned(), secret })
    }

    /// A signature of these bytes, as an agent answers with it; `None` for one that nobody should ask for any more.
    pub(super) fn sign(&self, data: &[u8], flags: u32) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.secret {
            Secret::Ed25519(pair) => Some(strings(&[b"ssh-ed25519", pair.sign(data).as_ref()])),
            Secret::Ecdsa(curve, pair) => {
                let signature = pair.sign(&random, data).ok()?;
                let (r, s) = signature.as_ref().split_at_checked(signature.as_ref().len() / 2)?;
                Some(strings(&[curve.kind().as_bytes(), &strings(&[&integer(r), &integer(s)])]))
            }
            Secret::Rsa(pair) => {
                let (kind, padding) = match flags {
                    flags if flags & RSA_SHA2_512 != 0 => ("rsa-sha2-512", &RSA_PKCS1_SHA512),
                    flags if flags & RSA_SHA2_256 != 0 => ("rsa-sha2-256", &RSA_PKCS1_SHA256),
                    // SHA-1.
                    _ => return None,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, data, &mut signature).ok()?;
                Some(strings(&[kind.as_bytes(), &signature]))
            }
        }
    }
}

impl Curve {
    fn kind(&self) -> String {
        format!("ecdsa-sha2-{}", self.name)
    }
}

impl Secret {
    /// As SSH writes public keys.
    fn public(&self) -> Option<Vec<u8>> {
        Some(match self {
            Secret::Ed25519(pair) => strings(&[b"ssh-ed25519", pair.public_key().as_ref()]),
            Secret::Ecdsa(curve, pair) => {
                strings(&[curve.kind().as_bytes(), curve.name.as_bytes(), pair.public_key().as_ref()])
            }
            Secret::Rsa(pair) => {
                let mut sequence = pair.public_key().as_ref();
                let mut inside = der(&mut sequence, 0x30)?;
                let (n, e) = (der(&mut inside, 2)?, der(&mut inside, 2)?);
                strings(&[b"ssh-rsa", &integer(e), &integer(n)])
            }
        })
    }
}

/// What stands between the first line that says what it is, and the last.
fn unarmoured(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    Some((label, body))
}

/// `openssh-key-v1` (OpenSSH, PROTOCOL.key).
fn from_openssh(bytes: &[u8]) -> Result<AgentKey, Wrong> {
    let mut parts = Parts(bytes.strip_prefix(b"openssh-key-v1\0").ok_or(Wrong::Format)?);
    let mut envelope = || {
        let (cipher, _, _) = (parts.string()?, parts.string()?, parts.string()?);
        let (_, _, secrets) = (parts.number()?, parts.string()?, parts.string()?);
        Some((cipher, secrets))
    };
    match envelope().ok_or(Wrong::Format)? {
        (b"none", secrets) => first_of(secrets),
        _ => Err(Wrong::Encrypted),
    }
}

/// The first key of an unencrypted list; there is never another.
fn first_of(secrets: &[u8]) -> Result<AgentKey, Wrong> {
    let mut parts = Parts(secrets);
    let kind = parts.take(8).and_then(|_| parts.string()).ok_or(Wrong::Format)?;
    let secret = match kind {
        b"ssh-ed25519" => ed25519(&mut parts),
        b"ssh-rsa" => rsa(&mut parts),
        kind => match CURVES.iter().find(|curve| curve.kind().as_bytes() == kind) {
            Some(curve) => ecdsa(curve, &mut parts),
            None => return Err(Wrong::Kind(String::from_utf8_lossy(kind).into_owned())),
        },
    };
    let key = secret.and_then(|secret| AgentKey::new(secret, parts.string()?));
    key.ok_or_else(|| Wrong::Kind(format!("{} of this size", String::from_utf8_lossy(kind))))
}

fn ed25519(parts: &mut Parts<'_>) -> Option<Secret> {
    let (public, both) = (parts.string()?, parts.string()?);
    Ed25519KeyPair::from_seed_and_public_key(both.get(..32)?, public).ok().map(Secret::Ed25519)
}

fn ecdsa(curve: &'static Curve, parts: &mut Parts<'_>) -> Option<Secret> {
    let (_, public, number) = (parts.string()?, parts.string()?, significant(parts.string()?));
    // As long as half of the point behind its first byte.
    let length = public.len() / 2;
    let padded: Vec<u8> = std::iter::repeat_n(0, length.checked_sub(number.len())?).chain(number.to_vec()).collect();
    let pair = EcdsaKeyPair::from_private_key_and_public_key(curve.algorithm, &padded, public).ok()?;
    Some(Secret::Ecdsa(curve, pair))
}

#[allow(non_snake_case)]
fn rsa(parts: &mut Parts<'_>) -> Option<Secret> {
    let (n, e, d) = (significant(parts.string()?), significant(parts.string()?), parts.string()?);
    let (qInv, p, q) = (parts.string()?, parts.string()?, parts.string()?);
    let (dP, dQ) = (modulo_predecessor(d, p)?, modulo_predecessor(d, q)?);
    let public_key = PublicKeyComponents { n, e };
    let components = KeyPairComponents { public_key, d, p, q, dP: &*dP, dQ: &*dQ, qInv };
    RsaKeyPair::from_components(&components).ok().map(Secret::Rsa)
}

/// `number mod (prime - 1)`, which the file leaves out: one bit after the other.
fn modulo_predecessor(number: &[u8], prime: &[u8]) -> Option<Vec<u8>> {
    let mut modulus = vec![0];
    modulus.extend(prime);
    // It is odd.
    *modulus.last_mut()? &= !1;
    let mut remainder = vec![0; modulus.len()];
    for bit in number.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)) {
        let mut carry = bit;
        for digit in remainder.iter_mut().rev() {
            (*digit, carry) = (*digit << 1 | carry, *digit >> 7);
        }
        if remainder >= modulus {
            subtract(&mut remainder, &modulus);
        }
    }
    Some(remainder)
}

fn subtract(from: &mut [u8], number: &[u8]) {
    let mut borrow = false;
    for (digit, other) in from.iter_mut().rev().zip(number.iter().rev()) {
        let (less, first) = digit.overflowing_sub(*other);
        let (less, second) = less.overflowing_sub(u8::from(borrow));
        (*digit, borrow) = (less, first || second);
    }
}

/// PKCS #8, PKCS #1 or SEC 1, told apart by trying.
fn from_der(bytes: &[u8]) -> Option<AgentKey> {
    let ed25519 = Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).map(Secret::Ed25519);
    let rsa = || RsaKeyPair::from_pkcs8(bytes).or_else(|_| RsaKeyPair::from_der(bytes)).map(Secret::Rsa).ok();
    let curve = |curve: &'static Curve| {
        let pair = EcdsaKeyPair::from_private_key_der(curve.algorithm, bytes).ok()?;
        Some(Secret::Ecdsa(curve, pair))
    };
    let secret = ed25519.ok().or_else(rsa).or_else(|| CURVES.iter().find_map(curve))?;
    AgentKey::new(secret, b"")
}

/// The content of the next element, if it has this tag (X.690, definite lengths).
fn der<'a>(bytes: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (&[found, first], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        short @ 0..0x80 => (usize::from(short), rest),
        long => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (digits.iter().fold(0usize, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    (found == tag).then_some(content)
}

/// No secret.
impl fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentKey({:?})", self.comment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remainders_are_of_the_number_before_the_prime() {
        assert_eq!(modulo_predecessor(&[1, 0, 5], &[101]), Some(vec![0, (65541u32 % 100) as u8]));
        assert_eq!(modulo_predecessor(&[0xff; 9], &[0xff, 0xfd]).map(|found| found.len()), Some(3));
        assert_eq!(modulo_predecessor(&[0xff, 0xfd], &[0xff, 0xff]), Some(vec![0, 0xff, 0xfd]));
    }

    #[test]
    fn what_is_no_key_is_told_from_what_is_locked() {
        let wrong = |text: &str| match AgentKey::parse(text.as_bytes()) {
            Err(Wrong::Format) => "format",
            Err(Wrong::Encrypted) => "encrypted",
            Err(Wrong::Kind(_)) => "kind",
            Ok(_) => "a key",
        };
        let armoured = |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
        assert_eq!(wrong("ssh-ed25519 AAAA"), "format");
        assert_eq!(wrong(&armoured("OPENSSH PRIVATE KEY", "AAAA")), "format");
        assert_eq!(wrong(&armoured("OPENSSH PRIVATE KEY", "?")), "format");
        assert_eq!(wrong(&armoured("PRIVATE KEY", "AAAA")), "format");
        assert_eq!(wrong(&armoured("ENCRYPTED PRIVATE KEY", "AAAA")), "encrypted");
        assert_eq!(wrong(&armoured("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\n\nAAAA")), "encrypted");
        assert_eq!(wrong(&armoured("DSA PRIVATE KEY", "AAAA")), "kind");
    }
}
