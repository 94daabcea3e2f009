//! From a call's number to what becomes of it, by halving. The kernel runs a new filter once for each call that there is, to know
//! which are always allowed: with one comparison after the other, installing it took a millisecond.

use std::collections::BTreeMap;

use super::{JUMP, RETURN, jump, statement};

const IF_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;

/// What becomes of a call.
pub(super) enum Answer {
    /// `SECCOMP_RET_*`.
    Always(u32),
    /// What these instructions say, every way through which ends in them.
    Looking(Vec<libc::sock_filter>),
}

impl Answer {
    fn is_always_that_of(&self, other: &Answer) -> bool {
        matches!((self, other), (Answer::Always(one), Answer::Always(same)) if one == same)
    }

    fn program(&self) -> Vec<libc::sock_filter> {
        match self {
            Answer::Always(action) => vec![statement(RETURN, *action)],
            Answer::Looking(program) => program.clone(),
        }
    }
}

/// Calls that follow each other and have the same answer, known by the first number.
type Run = (u32, Answer);

/// Where the accumulator has a call's number: its answer, `otherwise` where it has none, `beyond` all that have one.
pub(super) fn program(answers: BTreeMap<u32, Answer>, otherwise: u32, beyond: u32) -> Vec<libc::sock_filter> {
    let mut runs: Vec<Run> = Vec::new();
    let mut next = 0;
    for (number, answer) in answers {
        if number > next {
            runs.push((next, Answer::Always(otherwise)));
        }
        runs.push((number, answer));
        next = number.saturating_add(1);
    }
    runs.push((next, Answer::Always(beyond)));
    runs.dedup_by(|later, earlier| later.1.is_always_that_of(&earlier.1));
    search(&runs)
}

fn search(runs: &[Run]) -> Vec<libc::sock_filter> {
    let (low, high) = runs.split_at(runs.len() / 2);
    match (low, high) {
        ([], [(_, only)]) => only.program(),
        (_, [(first, _), ..]) => {
            let low = search(low);
            // A conditional jump reaches 255 instructions only.
            let over = u32::try_from(low.len()).unwrap_or(u32::MAX);
            let mut program = vec![jump(IF_AT_LEAST, *first, 0, 1), statement(JUMP, over)];
            program.extend(low);
            program.extend(search(high));
            program
        }
        (_, []) => Vec::new(),
    }
}
