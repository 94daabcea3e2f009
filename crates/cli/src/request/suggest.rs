//! Did you mean.

/// The candidate nearest to what was typed, if it is near enough to have been meant: at most a
/// third of its letters differ.
pub(crate) fn nearest<'a>(typed: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let distances = candidates.iter().map(|candidate| (distance(typed, candidate), *candidate));
    let (best, candidate) = distances.min()?;
    (best <= typed.chars().count().max(3) / 3).then_some(candidate)
}

/// "did you mean X?" where there is an X, else all that there are.
pub(crate) fn hint(typed: &str, candidates: &[&str]) -> String {
    match nearest(typed, candidates) {
        Some(candidate) => format!("did you mean {candidate:?}?"),
        None => format!("known are {}", candidates.join(", ")),
    }
}

/// Levenshtein's distance, with a swap of neighbours counted as one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_what_was_meant() {
        let types = ["docker", "image", "local", "oci", "registry", "tar"];
        assert_eq!(nearest("regsitry", &types), Some("registry"));
        assert_eq!(nearest("imgae", &types), Some("image"));
        assert_eq!(nearest("tra", &types), Some("tar"));
    }

    #[test]
    fn something_else_finds_nothing() {
        assert_eq!(nearest("s3", &["docker", "registry"]), None);
        assert_eq!(hint("zip", &["oci", "docker"]), "known are oci, docker");
    }
}
