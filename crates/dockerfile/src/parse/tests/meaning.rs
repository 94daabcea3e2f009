//! What a file says, whatever the places it says it at; for these tests and for the fuzz targets.

use serde_json::Value;

/// Takes out of a file, as JSON, what printing and reading it again may change.
pub(super) fn forget_places(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for place in ["span", "line", "keyword_span", "empty_continuations"] {
                members.remove(place);
            }
            // The keyword's case is not kept.
            if members.contains_key("keyword") && members.contains_key("text") {
                members.remove("text");
            }
            // A trigger that ends in an escape character gets a form feed behind it.
            if let Some(Value::String(expression)) = members.get_mut("expression") {
                expression.truncate(expression.trim_end().len());
            }
            members.values_mut().for_each(forget_places);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_places),
        _ => {}
    }
}
