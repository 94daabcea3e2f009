//! Which package has to be built before which.

use std::collections::BTreeSet;

use super::Error;

/// An order in which everything comes after what it needs: `needs[i]` are the places of what `i` needs. What needs nothing of
/// one another keeps its order.
///
/// # Errors
/// When packages need each other in a circle; `names` says which.
pub fn order(names: &[String], needs: &[BTreeSet<usize>]) -> Result<Vec<usize>, Error> {
    let (mut done, mut order) = (BTreeSet::new(), Vec::new());
    while order.len() < needs.len() {
        let ready = (0..needs.len()).find(|at| !done.contains(at) && needs[*at].is_subset(&done));
        let Some(ready) = ready else { return Err(circle(names, needs, &done)) };
        done.insert(ready);
        order.push(ready);
    }
    Ok(order)
}

/// Follows needs from one that cannot be built until it comes round.
fn circle(names: &[String], needs: &[BTreeSet<usize>], done: &BTreeSet<usize>) -> Error {
    let next = |at: usize| needs[at].iter().copied().find(|need| !done.contains(need)).unwrap_or(at);
    let mut way: Vec<usize> = (0..needs.len()).find(|at| !done.contains(at)).into_iter().collect();
    while let Some(at) = way.last().map(|last| next(*last)) {
        let seen = way.iter().position(|before| *before == at);
        way.push(at);
        if let Some(seen) = seen {
            way.drain(..seen);
            break;
        }
    }
    let way: Vec<&str> = way.iter().filter_map(|at| names.get(*at)).map(String::as_str).collect();
    Error::conflict(format!("packages need each other: {}", way.join(" -> ")), "break the circle")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("p{number}")).collect()
    }

    #[test]
    fn everything_comes_after_what_it_needs() {
        let needs = [BTreeSet::from([2]), BTreeSet::new(), BTreeSet::from([1])];
        assert_eq!(order(&names(3), &needs).unwrap(), [1, 2, 0]);
    }

    #[test]
    fn a_circle_is_told() {
        let needs = [BTreeSet::from([1]), BTreeSet::from([2]), BTreeSet::from([1])];
        let error = order(&names(3), &needs).unwrap_err();
        assert_eq!(error.to_string(), "packages need each other: p1 -> p2 -> p1");
    }
}
