//! Dockerfiles and triggers: no panic, refusals marked inside the text, and what is printed means what was read.
#![no_main]

#[path = "../../crates/dockerfile/src/parse/tests/meaning.rs"]
mod meaning;

use dockerfile::{Dockerfile, Source, parse, parse_onbuild};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    check_refusal(parse_onbuild(Source::from_bytes("trigger", bytes)).err());
    match parse(Source::from_bytes("Dockerfile", bytes)) {
        Ok(file) => check_printing(&file),
        Err(error) => check_refusal(Some(error)),
    }
});

fn check_printing(file: &Dockerfile) {
    let printed = file.to_string();
    let again = match parse(Source::new("Dockerfile", printed.clone())) {
        Ok(again) => again,
        Err(error) => panic!("{printed:?} is refused: {error}"),
    };
    assert_eq!(meaning(file), meaning(&again), "printed as {printed:?}");
    assert_eq!(again.to_string(), printed);
}

fn meaning(file: &Dockerfile) -> serde_json::Value {
    let mut value = serde_json::to_value(file).expect("plain values");
    meaning::forget_places(&mut value);
    value
}

fn check_refusal(error: Option<dockerfile::Error>) {
    let Some(error) = error else { return };
    let (span, text) = (error.span(), &error.source_text().text);
    assert!(text.get(span.start..span.end).is_some(), "{error} is marked at {span:?} of {}", text.len());
    assert!(!error.excerpt().to_string().is_empty() && !error.to_string().is_empty());
    let _ = error.hint();
}
