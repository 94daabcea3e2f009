//! Splitting an expanded text into words.

/// Collects words. The text of the word being collected is kept by the lexer, see [`super::lexer`].
#[derive(Default)]
pub(super) struct Words {
    done: Vec<String>,
    inside: bool,
}

impl Words {
    /// Adds a character that ends a word if it is white space.
    pub(super) fn split_char(&mut self, pending: &mut String, char: char) {
        if !char.is_whitespace() {
            return self.char(pending, char);
        }
        if self.inside && !pending.is_empty() {
            self.done.push(std::mem::take(pending));
            self.inside = false;
        }
    }

    /// Adds text that is split at white space.
    pub(super) fn split_text(&mut self, pending: &mut String, text: &str) {
        for char in text.chars() {
            self.split_char(pending, char);
        }
    }

    /// Adds a character to the word whatever it is.
    pub(super) fn char(&mut self, pending: &mut String, char: char) {
        pending.push(char);
        self.inside = true;
    }

    /// Adds text to the word whatever it holds.
    pub(super) fn text(&mut self, pending: &mut String, text: &str) {
        pending.push_str(text);
        self.inside = true;
    }

    /// All words, the unfinished one included.
    pub(super) fn finish(mut self, pending: &mut String) -> Vec<String> {
        if !pending.is_empty() {
            self.done.push(std::mem::take(pending));
        }
        self.done
    }
}
