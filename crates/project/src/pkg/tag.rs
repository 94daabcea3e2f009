//! Templates of tags: text with `{{.Hash}}` in it.

/// Fills `hash` into `template`; says what is wrong with a template that asks for something else.
pub(crate) fn fill(template: &str, hash: &str) -> Result<String, String> {
    let (mut filled, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((action, after)) = after.split_once("}}") else {
            return Err(format!("the template {template:?} has a {{{{ without its }}}}"));
        };
        let (trims_left, action) = action.strip_prefix("- ").map_or((false, action), |action| (true, action));
        let (trims_right, action) = action.strip_suffix(" -").map_or((false, action), |action| (true, action));
        if action.trim() != ".Hash" {
            return Err(format!("the template {template:?} asks for {:?}; there is only {{{{.Hash}}}}", action.trim()));
        }
        filled.push_str(if trims_left { before.trim_end() } else { before });
        filled.push_str(hash);
        rest = if trims_right { after.trim_start() } else { after };
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_filled_in_wherever_it_is_asked_for() {
        assert_eq!(fill("{{.Hash}}", "abc").as_deref(), Ok("abc"));
        assert_eq!(fill("v1-{{ .Hash }}-{{.Hash}}x", "abc").as_deref(), Ok("v1-abc-abcx"));
        assert_eq!(fill("v1 {{- .Hash -}} x", "abc").as_deref(), Ok("v1abcx"));
        assert_eq!(fill("fixed", "abc").as_deref(), Ok("fixed"));
    }

    #[test]
    fn nothing_else_is_known() {
        assert!(fill("{{.Hsah}}", "abc").unwrap_err().contains(".Hsah"));
        assert!(fill("{{.Hash", "abc").unwrap_err().contains("without"));
        assert!(fill("{{.Hash | printf}}", "abc").is_err());
    }
}
