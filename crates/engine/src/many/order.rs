//! Which images are built before which.

use std::collections::BTreeMap;

use crate::{Batch, ContextSource, Error};

/// For each job, by place, the places of those that it needs, by name.
pub(super) type Needs = Vec<BTreeMap<String, usize>>;

/// What each job of `batch` needs. Refuses names that are not there or not single, and circles.
pub(super) fn needs(batch: &Batch) -> Result<Needs, Error> {
    let mut places = BTreeMap::new();
    for (place, job) in batch.jobs.iter().enumerate() {
        if places.insert(job.name.as_str(), place).is_some() {
            return Err(Error::Conflict(format!("two images are called {}", job.name)));
        }
    }
    let mut needs = Needs::new();
    for job in &batch.jobs {
        let mut needed = BTreeMap::new();
        for source in job.request.named_contexts.values() {
            let ContextSource::Job(name) = source else { continue };
            let unknown = || Error::UnknownJob { job: job.name.clone(), needed: name.clone() };
            needed.insert(name.clone(), *places.get(name.as_str()).ok_or_else(unknown)?);
        }
        if job.commands.iter().any(|command| *command >= batch.commands.len()) {
            return Err(Error::Internal(format!("{} waits for a command that is not there", job.name)));
        }
        needs.push(needed);
    }
    refuse_circles(batch, &needs)?;
    Ok(needs)
}

/// Takes away what needs nothing that is left, until nothing is left or all that is left needs something that is.
fn refuse_circles(batch: &Batch, needs: &Needs) -> Result<(), Error> {
    let mut waiting: Vec<usize> = needs.iter().map(BTreeMap::len).collect();
    let mut needed_by = vec![Vec::new(); needs.len()];
    for (job, needed) in needs.iter().enumerate() {
        needed.values().for_each(|&other: &usize| needed_by[other].push(job));
    }
    let mut free: Vec<usize> = (0..needs.len()).filter(|&job| waiting[job] == 0).collect();
    while let Some(job) = free.pop() {
        for &other in &needed_by[job] {
            waiting[other] -= 1;
            if waiting[other] == 0 {
                free.push(other);
            }
        }
    }
    match waiting.iter().position(|&left| left > 0) {
        Some(start) => Err(Error::Cycle(circle(batch, needs, &waiting, start))),
        None => Ok(()),
    }
}

/// A circle, as names: from job to job that waits, until one comes again.
fn circle(batch: &Batch, needs: &Needs, waiting: &[usize], start: usize) -> Vec<String> {
    let mut way = vec![start];
    loop {
        let here = way.last().copied().unwrap_or(start);
        let Some(next) = needs[here].values().copied().find(|&next| waiting[next] > 0) else { break };
        if let Some(again) = way.iter().position(|&job| job == next) {
            way.drain(..again);
            way.push(next);
            break;
        }
        way.push(next);
    }
    way.into_iter().map(|job| batch.jobs[job].name.clone()).collect()
}
