//! "Did you mean?"

/// The candidate nearest to `word`, if fewer than three steps lead there: inserting, removing or replacing a
/// character, or swapping two neighbours.
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

/// Words are compared up to this many characters, so that a long one costs no more.
const MAX_WORD: usize = 128;

/// How many steps lead from one word to the other, or `limit` where they are no fewer.
fn distance(left: &str, right: &str, limit: usize) -> usize {
    let left: Vec<char> = left.chars().take(MAX_WORD).collect();
    let right: Vec<char> = right.chars().take(MAX_WORD).collect();
    if left.len().abs_diff(right.len()) >= limit {
        return limit;
    }
    let mut rows = vec![(0..=right.len()).collect::<Vec<usize>>()];
    for length in 1..=left.len() {
        let row = next_row(&rows, left.get(..length).unwrap_or(&left), &right);
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or(limit).min(limit)
}

/// The table's next row: the steps from `left` to each beginning of `right`, given the rows for shorter `left`s.
fn next_row(rows: &[Vec<usize>], left: &[char], right: &[char]) -> Vec<usize> {
    let at =
        |row: usize, column: usize| rows.get(row).and_then(|row| row.get(column)).copied().unwrap_or(usize::MAX - 1);
    let height = left.len();
    let mut row = vec![height];
    for width in 1..=right.len() {
        let [mine, theirs] = [left.get(height - 1), right.get(width - 1)];
        let mut steps = at(height - 1, width - 1) + usize::from(mine != theirs);
        steps = steps.min(at(height - 1, width) + 1).min(row.last().map_or(steps, |before| before + 1));
        let swapped = height > 1 && width > 1 && left.get(height - 2) == theirs && mine == right.get(width - 2);
        if swapped {
            steps = steps.min(at(height - 2, width - 2) + 1);
        }
        row.push(steps);
    }
    row
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
            ("CPOYY", Some("COPY")),
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
