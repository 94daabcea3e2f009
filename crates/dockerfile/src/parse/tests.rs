mod continuation;
mod heredocs;
mod instructions;
mod meaning;
mod messages;
mod mounts;
mod printing;

use crate::{Dockerfile, Instruction, Kind, Source, Word, parse};

fn file(text: &str) -> Dockerfile {
    match parse(Source::new("Dockerfile", text)) {
        Ok(file) => file,
        Err(error) => panic!("{error}\n{}", error.excerpt()),
    }
}

/// The message and the marked place of the refusal of `text`.
fn refusal(text: &str) -> String {
    match parse(Source::new("Dockerfile", text)) {
        Ok(file) => panic!("not refused:\n{file}"),
        Err(error) => {
            let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
            format!("{error}\n{}{hint}", error.excerpt())
        }
    }
}

/// The one instruction after a `FROM`.
fn only(line: &str) -> Instruction {
    let stage = file(&format!("FROM scratch\n{line}\n")).stages.remove(0);
    assert_eq!(stage.instructions.len(), 1, "{line:?} is one instruction");
    stage.instructions.into_iter().next().expect("one instruction")
}

fn kind(line: &str) -> Kind {
    only(line).kind
}

/// The message for a line after a `FROM`.
fn message(line: &str) -> String {
    let text = format!("FROM scratch\n{line}\n");
    parse(Source::new("Dockerfile", text)).map_or_else(|error| error.to_string(), |_| "accepted".into())
}

fn raws(words: &[Word]) -> Vec<&str> {
    words.iter().map(|word| word.raw.as_str()).collect()
}
