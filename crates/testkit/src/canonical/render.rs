//! Canonical images as text for people and for `git diff`: one line for each fact.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::CanonicalImage;

/// Writes images, by platform, as JSON with one line for each field, history entry and file.
#[must_use]
pub fn images_to_json(images: &BTreeMap<String, CanonicalImage>) -> String {
    let images: Vec<String> =
        images.iter().map(|(platform, image)| format!("{}: {}", json(platform), image_to_json(image))).collect();
    format!("{{{}}}\n", images.join(", "))
}

/// Reads what [`images_to_json`] wrote.
///
/// # Errors
/// When the text is not JSON or not canonical images.
pub fn images_from_json(text: &str) -> serde_json::Result<BTreeMap<String, CanonicalImage>> {
    serde_json::from_str(text)
}

fn image_to_json(image: &CanonicalImage) -> String {
    let config = image.config.iter().map(member).collect();
    let history = image.history.iter().map(json).collect();
    let files = image.files.iter().map(member).collect();
    let mut text = String::from("{\n");
    let _ = writeln!(text, "  \"config\": {},", block('{', config, '}'));
    let _ = writeln!(text, "  \"history\": {},", block('[', history, ']'));
    let _ = writeln!(text, "  \"layers\": {},", image.layers);
    let _ = writeln!(text, "  \"files\": {}", block('{', files, '}'));
    text.push('}');
    text
}

fn member((name, value): (&String, &impl Serialize)) -> String {
    format!("{}: {}", json(name), json(value))
}

fn block(open: char, lines: Vec<String>, close: char) -> String {
    if lines.is_empty() {
        return format!("{open}{close}");
    }
    format!("{open}\n    {}\n  {close}", lines.join(",\n    "))
}

fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
