//! "Did you mean?"

/// The candidate nearest to `word`, if fewer than three insertions, removals or replacements of characters lead there.
/// Of equally near ones the first. Nothing if `word` is itself a candidate, as the mistake is elsewhere then.
///
/// Case counts: a caller to whom it does not folds it first.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let mut best = None;
    let mut nearest = 3;
    for candidate in candidates {
        match distance(word, candidate, nearest) {
            0 => return None,
            distance if distance < nearest => (best, nearest) = (Some(candidate), distance),
            _ => {}
        }
    }
    best
}

/// The Levenshtein distance, or `limit` where it is no less.
fn distance(left: &str, right: &str, limit: usize) -> usize {
    let left: Vec<char> = left.chars().take(MAX_WORD).collect();
    let right: Vec<char> = right.chars().take(MAX_WORD).collect();
    if left.len().abs_diff(right.len()) >= limit {
        return limit;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, char) in left.iter().enumerate() {
        row = next_row(&row, above + 1, *char, &right);
    }
    row.last().copied().unwrap_or(limit).min(limit)
}

/// Words are compared up to this many characters, so that a long one costs no more.
const MAX_WORD: usize = 128;

/// The next row of the table of distances, which begins with `first`.
fn next_row(row: &[usize], first: usize, char: char, right: &[char]) -> Vec<usize> {
    let mut next = vec![first];
    let mut before = first;
    for (pair, other) in row.windows(2).zip(right) {
        let [diagonal, above] = pair else { continue };
        before = (diagonal + usize::from(char != *other)).min(above + 1).min(before + 1);
        next.push(before);
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_candidate_is_meant() {
        let candidates = ["FROM", "RUN", "COPY", "CMD"];
        for (word, expected) in [
            ("FORM", Some("FROM")),
            ("COPPY", Some("COPY")),
            ("RNU", Some("RUN")),
            ("COMMAND", None),
            ("COPY", None),
            ("", None),
            ("MD", Some("CMD")),
        ] {
            assert_eq!(did_you_mean(word, candidates), expected, "for {word:?}");
        }
    }

    #[test]
    fn of_equally_near_ones_the_first_is_meant() {
        assert_eq!(did_you_mean("bold", ["gold", "bald"]), Some("gold"));
    }
}
