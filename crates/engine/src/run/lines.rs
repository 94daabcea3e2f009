//! A process's output as lines.

/// A line longer than this is shown in parts, so that a process that prints none costs no memory.
const LONGEST: usize = 16 << 10;

/// Cuts one stream into lines as it comes.
#[derive(Debug, Default)]
pub(crate) struct Lines(Vec<u8>);

impl Lines {
    /// Takes more output, and tells of every line that is whole.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut line: impl FnMut(String)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = bytes.split_at(end);
            self.0.extend_from_slice(head);
            self.tell(&mut line);
            bytes = tail.get(1..).unwrap_or_default();
        }
        self.0.extend_from_slice(bytes);
        if self.0.len() > LONGEST {
            self.tell(&mut line);
        }
    }

    /// Tells of what came after the last line's end.
    pub(crate) fn finish(&mut self, mut line: impl FnMut(String)) {
        if !self.0.is_empty() {
            self.tell(&mut line);
        }
    }

    /// A carriage return starts a line over on a terminal: what it overwrote is not shown.
    fn tell(&mut self, line: &mut impl FnMut(String)) {
        let text = String::from_utf8_lossy(&self.0);
        let text = text.trim_end_matches('\r');
        line(text.rsplit('\r').next().unwrap_or_default().to_owned());
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(parts: &[&[u8]]) -> Vec<String> {
        let (mut cutter, mut told) = (Lines::default(), Vec::new());
        for part in parts {
            cutter.feed(part, |line| told.push(line));
        }
        cutter.finish(|line| told.push(line));
        told
    }

    #[test]
    fn lines_are_cut_wherever_the_output_was() {
        assert_eq!(lines(&[b"a", b"b\nc\n\nd"]), ["ab", "c", "", "d"]);
        assert_eq!(lines(&[b"10%\r20%\r100%\nend\r\n"]), ["100%", "end"]);
    }

    #[test]
    fn an_endless_line_is_shown_in_parts() {
        assert_eq!(lines(&[&[b'x'; LONGEST], b"yy"]).len(), 1);
        assert_eq!(lines(&[&[b'x'; LONGEST + 1], b"yy"]), ["x".repeat(LONGEST + 1), "yy".to_owned()]);
    }
}
