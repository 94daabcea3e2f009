//! `WWW-Authenticate` (RFC 9110, section 11.6.1), read with suspicion.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// Longer header fields than this are not read.
const MAX_FIELD: usize = 8 * 1024;

/// How a registry wants to be convinced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A name and password with every request (RFC 7617).
    Basic,
    /// A token from a token server (Docker's registry token specification).
    Bearer(Bearer),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bearer {
    /// The token server's address.
    pub(crate) realm: String,
    /// The name the registry goes by there.
    pub(crate) service: Option<String>,
}

impl Challenge {
    /// The best challenge that `headers` offer: bearer, then basic.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let fields = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let offers: Vec<_> = fields.filter(|field| field.len() <= MAX_FIELD).flat_map(parse).collect();
        let bearer = offers.iter().find_map(Offer::bearer);
        let basic = offers.iter().any(|offer| offer.scheme.eq_ignore_ascii_case("basic"));
        bearer.map(Self::Bearer).or_else(|| basic.then_some(Self::Basic))
    }
}

#[derive(Debug, Default)]
struct Offer<'a> {
    scheme: &'a str,
    parameters: Vec<(&'a str, String)>,
}

impl Offer<'_> {
    fn bearer(&self) -> Option<Bearer> {
        if !self.scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let value = |name: &str| {
            let found = self.parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
        };
        Some(Bearer { realm: value("realm")?, service: value("service") })
    }
}

/// Splits a field into challenges. Whatever does not fit the grammar ends the reading.
fn parse(field: &str) -> Vec<Offer<'_>> {
    let mut offers: Vec<Offer<'_>> = Vec::new();
    let mut rest = field.trim_start();
    while !rest.is_empty() {
        let (word, after) = token(rest);
        if word.is_empty() {
            break;
        }
        let after = after.trim_start();
        match (after.strip_prefix('='), offers.last_mut()) {
            (Some(text), Some(offer)) => {
                let Some((value, after)) = value(text.trim_start()) else { break };
                offer.parameters.push((word, value));
                rest = after;
            }
            (Some(_), None) => break,
            (None, _) => {
                offers.push(Offer { scheme: word, parameters: Vec::new() });
                rest = after;
            }
        }
        rest = rest.trim_start_matches([' ', '\t', ',']);
    }
    offers
}

fn token(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)));
    text.split_at(end.unwrap_or(text.len()))
}

/// A token or a quoted string, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, rest) = token(text);
        return Some((word.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(chars.next()?),
            c => value.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    fn challenge(fields: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(field).expect("a header value"));
        }
        Challenge::from_headers(&headers)
    }

    #[test]
    fn bearer_is_preferred_wherever_it_stands() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer(Bearer { realm: realm.into(), service: service.map(str::to_owned) }))
        };
        assert_eq!(
            challenge(&[r#"Bearer realm="https://a/t",service="s,1",scope="repository:x:pull""#]),
            bearer("https://a/t", Some("s,1"))
        );
        assert_eq!(challenge(&["Basic realm=\"x\"", "bEaReR realm=\"https://a\""]), bearer("https://a", None));
        assert_eq!(challenge(&["Basic realm=\"x\", Bearer realm=\"q\\\"q\""]), bearer("q\"q", None));
    }

    #[test]
    fn what_we_cannot_answer_is_no_challenge() {
        assert_eq!(challenge(&["Basic"]), Some(Challenge::Basic));
        for field in ["", "Digest realm=\"x\"", "Bearer", "Bearer realm=\"unterminated", "=x", "realm=\"x\""] {
            assert_eq!(challenge(&[field]), None, "{field}");
        }
        let long = format!("Bearer realm=\"{}\"", "x".repeat(MAX_FIELD));
        assert_eq!(challenge(&[&long]), None);
    }

    proptest! {
        #[test]
        fn any_field_is_read_without_panic(field in "[ -~]{0,200}") {
            let _ = challenge(&[&field]);
        }
    }
}
