//! Listing tags.

use std::collections::BTreeSet;

use reqwest::Method;
use serde::Deserialize;

use crate::answer::{header, is_html, read_bounded};
use crate::auth::Access;
use crate::error::Cause;
use crate::host::Host;
use crate::transport::{Call, Transport, next_address};

/// One page is read up to here, in bytes.
const MAX_PAGE: usize = 8 * 1024 * 1024;
/// How many pages are read.
const MAX_PAGES: usize = 1000;

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

/// All tags of the repository `path`, sorted, page after page (OCI distribution specification, "Listing Tags").
pub(crate) async fn list(transport: &Transport, host: &Host, path: &str) -> Result<Vec<String>, Cause> {
    let mut tags = BTreeSet::new();
    let mut url = host.url(&format!("{path}/tags/list"))?;
    for _ in 0..MAX_PAGES {
        let call = Call::new(Method::GET, url.clone(), Access::pull(path));
        let response = transport.send(host, &call).await?;
        if is_html(&response) {
            return Err(Cause::WebPage { host: host.name.clone() });
        }
        let next = header(&response, "link").and_then(next_link).map(str::to_owned);
        let body = read_bounded(response, &host.name, MAX_PAGE, transport.config.timeouts.read).await?;
        let page: Page = serde_json::from_slice(&body)
            .map_err(|_| Cause::protocol(&host.name, "its list of tags is not the JSON that was expected"))?;
        tags.extend(page.tags.unwrap_or_default());
        let Some(next) = next else { return Ok(tags.into_iter().collect()) };
        url = next_address(host, &url, Some(&next))?;
    }
    Err(Cause::protocol(&host.name, "its list of tags does not end"))
}

/// The target of `<...>; rel="next"` (RFC 8288).
fn next_link(field: &str) -> Option<&str> {
    let (target, parameters) = field.trim().strip_prefix('<')?.split_once('>')?;
    parameters.replace([' ', '"'], "").contains("rel=next").then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_next_links_are_followed() {
        assert_eq!(next_link("</v2/a/tags/list?last=x&n=2>; rel=\"next\""), Some("/v2/a/tags/list?last=x&n=2"));
        assert_eq!(next_link("</v2/a>; rel=\"prev\""), None);
        assert_eq!(next_link("nonsense"), None);
    }
}
