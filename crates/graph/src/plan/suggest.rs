//! "Did you mean": the nearest real name, as BuildKit finds it.

/// The option fewest edits away, if that is fewer than three; `None` where `word` is itself an option.
pub(super) fn nearest<'a>(word: &str, options: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut best: Option<(usize, &str)> = None;
    for option in options {
        let distance = distance(word, option);
        if distance == 0 {
            return None;
        }
        if distance < best.map_or(3, |(least, _)| least) {
            best = Some((distance, option));
        }
    }
    best.map(|(_, option)| option.to_owned())
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let swap = row[j] + usize::from(from != *to);
            next.push(swap.min(row[j + 1] + 1).min(next[j] + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_the_nearest_name() {
        assert_eq!(nearest("biuld", ["build", "test"]).as_deref(), Some("build"));
        assert_eq!(nearest("build", ["build", "guild"]), None);
        assert_eq!(nearest("xyz", ["build"]), None);
    }
}
