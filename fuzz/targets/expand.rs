//! Expansion: no panic and no runaway, whatever the word and the values are. Lines of the input are a word and the values of
//! `a` and `b`.
#![no_main]

use dockerfile::expand::{Expander, heredoc};
use dockerfile::{Heredoc, Span, Word};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default().to_owned();
    let (raw, a, b) = (line(), line(), line());
    let env = vec![("a".to_owned(), a), ("b".to_owned(), b)];
    let span = Span::new(0, raw.len());
    let word = Word { raw: raw.clone(), span };
    for escape in ['\\', '`'] {
        let plain = Expander::new(escape);
        for expander in [plain, plain.keep_unset(), plain.keep_quotes().keep_escapes()] {
            let whole = expander.expand(&word, &env);
            let words = expander.words(&word, &env);
            assert_eq!(whole.is_ok(), words.is_ok());
            if let Err(problem) = whole {
                assert!(raw.get(problem.span.start..problem.span.end).is_some(), "{problem} at {:?}", problem.span);
            }
        }
        assert!(!raw.is_empty() || plain.label(&raw, &env).is_empty());
    }
    for chomp in [false, true] {
        let _ = heredoc(&Heredoc { name: "EOF".into(), content: raw.clone(), expand: true, chomp, span }, &env);
    }
});
