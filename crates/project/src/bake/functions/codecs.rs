//! Functions that encode, decode and hash.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use super::semver::satisfies;
use super::{Arguments, Function, function};
use crate::bake::Error;
use crate::bake::csv;
use crate::bake::limits;
use crate::bake::syntax::json_expression;
use crate::bake::value::Value;

pub(super) const TABLE: &[Function] = &[
    function("base64decode", 1, 1, |a| {
        let bytes = STANDARD.decode(a.text(0)?).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        bytes.map(Value::String).ok_or_else(|| Error::new("this is no base64 of a text"))
    }),
    function("base64encode", 1, 1, |a| Ok(STANDARD.encode(a.text(0)?).into())),
    function("csvdecode", 1, 1, |a| csvdecode(&a.text(0)?)),
    function("jsondecode", 1, 1, |a| json_expression(&a.text(0)?)),
    function("jsonencode", 1, 1, |a| Ok(a.value(0)?.compact().into())),
    function("md5", 1, 1, |a| Ok(hex(&Md5::digest(a.text(0)?)).into())),
    function("semvercmp", 2, 2, |a| Ok(satisfies(&a.text(0)?, &a.text(1)?)?.into())),
    function("sha1", 1, 1, |a| hash(a, &SHA1_FOR_LEGACY_USE_ONLY)),
    function("sha256", 1, 1, |a| hash(a, &SHA256)),
    function("sha512", 1, 1, |a| hash(a, &SHA512)),
    function("urlencode", 1, 1, |a| Ok(urlencode(&a.text(0)?).into())),
    function("uuidv4", 0, 0, |_| uuidv4()),
    function("uuidv5", 2, 2, |a| uuidv5(&a.text(0)?, &a.text(1)?)),
];

fn hash(arguments: &Arguments<'_>, algorithm: &'static Algorithm) -> Result<Value, Error> {
    Ok(hex(digest(algorithm, arguments.text(0)?.as_bytes()).as_ref()).into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn urlencode(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Objects with the fields of the first line as their keys.
fn csvdecode(text: &str) -> Result<Value, Error> {
    let lines = csv::lines(text)?;
    let Some((header, rows)) = lines.split_first() else { return Err(Error::new("there is no header line")) };
    let wide = header.iter().map(String::len).sum::<usize>();
    limits::string(wide.checked_mul(rows.len()))?;
    let row = |fields: &Vec<String>| {
        if fields.len() != header.len() {
            return Err(Error::new(format!("a line has {} fields, the header has {}", fields.len(), header.len())));
        }
        let pairs = header.iter().cloned().zip(fields.iter().map(|field| field.as_str().into()));
        Ok(Value::Object(pairs.collect::<BTreeMap<_, _>>()))
    };
    rows.iter().map(row).collect::<Result<_, _>>().map(Value::List)
}

fn uuidv4() -> Result<Value, Error> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::new("there is no randomness"))?;
    Ok(uuid(bytes, 4).into())
}

/// The name spaces of RFC 4122; any other UUID is one, too.
fn uuidv5(space: &str, name: &str) -> Result<Value, Error> {
    let last = match space {
        "dns" | "" => "0",
        "url" => "1",
        "oid" => "2",
        "x500" => "4",
        _ => "",
    };
    let known = format!("6ba7b81{last}9dad11d180b400c04fd430c8");
    let digits = if last.is_empty() { space.replace('-', "") } else { known };
    let number = (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok()).flatten();
    let number = number.ok_or_else(|| {
        Error::new(format!("{space:?} is no name space")).with_hint("dns, url, oid, x500 or a UUID is one")
    })?;
    let bytes = [&number.to_be_bytes()[..], name.as_bytes()].concat();
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &bytes);
    let mut first = [0; 16];
    first.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
    Ok(uuid(first, 5).into())
}

fn uuid(mut bytes: [u8; 16], version: u8) -> String {
    bytes[6] = bytes[6] & 0x0f | version << 4;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex(&bytes);
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}
