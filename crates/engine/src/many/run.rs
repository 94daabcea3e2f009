//! The run of a batch: every result is asked for, and brings about what it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::{BoxFuture, Either, FutureExt, join, join_all, select, try_join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use layer::Compression;
use tokio::sync::{OnceCell, Semaphore};

use super::order::{self, Needs};
use super::{Batch, Job, JobOutcome, JobReport, command};
use crate::build::{Finished, Planned, Session, chosen_compression};
use crate::event::{EventSink, Events, JobState};
use crate::{Engine, Error, Output};

/// So many images are planned or built at a time; what each of them does is bounded further.
const AT_A_TIME: usize = 32;

/// Why there is no result.
#[derive(Clone)]
enum Ended {
    Failed(Arc<Error>),
    /// What it needs failed.
    Skipped(String),
}

type Cell<T> = OnceCell<Result<T, Ended>>;

/// A batch that is being carried out.
struct Run<'b> {
    session: Session<'b>,
    batch: &'b Batch,
    needs: Needs,
    events: Vec<Events>,
    commands: Vec<OnceCell<Result<(), Arc<Error>>>>,
    planned: Vec<Cell<Arc<Planned>>>,
    finished: Vec<Cell<Arc<Finished>>>,
    places: Semaphore,
}

impl Engine {
    /// Builds all of `batch`, and reports of every job in the batch's order. What is the same in several of them is done
    /// once. Without [`Batch::keep_going`] the first failure ends the rest. Dropping the future stops it.
    ///
    /// # Errors
    /// Before anything is run: when two jobs have one name, or one needs another that is not there, or itself.
    pub async fn build_all(&self, batch: &Batch, sink: Arc<dyn EventSink>) -> Result<Vec<JobReport>, Error> {
        let session = Session::new(self, Events::new(sink));
        let stop = session.cancel.on_drop();
        let run = Run::new(session, batch)?;
        let failed = run.carry_out().await;
        drop(stop);
        Ok(run.reports(failed))
    }
}

impl<'b> Run<'b> {
    fn new(session: Session<'b>, batch: &'b Batch) -> Result<Self, Error> {
        let needs = order::needs(batch)?;
        let events = batch.jobs.iter().map(|job| session.events.of_job(&job.name)).collect();
        Ok(Self {
            needs,
            events,
            commands: batch.commands.iter().map(|_| OnceCell::new()).collect(),
            planned: batch.jobs.iter().map(|_| OnceCell::new()).collect(),
            finished: batch.jobs.iter().map(|_| OnceCell::new()).collect(),
            places: Semaphore::new(AT_A_TIME),
            session,
            batch,
        })
    }

    /// Plans all, then builds all. The job that ended the rest, if one did.
    async fn carry_out(&self) -> Option<usize> {
        self.events.iter().for_each(|events| events.job(JobState::Waiting));
        if let Some(failed) = self.plan_all().await {
            return Some(failed);
        }
        let planned = self.planned.iter().filter_map(|cell| cell.get()?.as_ref().ok());
        let graphs = planned.flat_map(|planned| &planned.graphs);
        let kept: BTreeSet<_> =
            graphs.flat_map(|graph| graph.chain().into_iter().map(|step| graph.step(step).key.clone())).collect();
        let _only_once = self.session.kept.set(kept);
        self.drive(|job| self.finished(job).map(|finished| finished.map(drop)).boxed()).await
    }

    /// Plans all jobs, while commands are run and the bases of jobs that wait for these are looked up.
    async fn plan_all(&self) -> Option<usize> {
        let commands = join_all((0..self.commands.len()).map(|command| self.command(command)));
        let warm = join_all((0..self.batch.jobs.len()).map(|job| self.warm(job)));
        let plans = self.drive(|job| self.planned(job).map(|planned| planned.map(drop)).boxed());
        match select(Box::pin(plans), Box::pin(join(commands, warm))).await {
            Either::Left((Some(failed), _)) => Some(failed),
            Either::Left((None, rest)) => {
                rest.await;
                None
            }
            Either::Right((_, plans)) => plans.await,
        }
    }

    /// Brings about the same of every job; ends at the first failure unless the rest is to go on.
    async fn drive<'r>(&'r self, work: impl Fn(usize) -> BoxFuture<'r, Result<(), Ended>>) -> Option<usize> {
        let all = (0..self.batch.jobs.len()).map(|job| work(job).map(move |result| (job, result)));
        let mut all: FuturesUnordered<_> = all.collect();
        while let Some((job, result)) = all.next().await {
            if let Err(Ended::Failed(_)) = result
                && !self.batch.keep_going
            {
                return Some(job);
            }
        }
        None
    }

    async fn command(&self, place: usize) -> Result<(), Arc<Error>> {
        let run = || async { command::run(&self.batch.commands[place], &self.session.events).await.map_err(Arc::new) };
        self.commands[place].get_or_init(run).await.clone()
    }

    /// What is wrong here is told when the job is planned: its files may be others by then.
    async fn warm(&self, job: usize) {
        if self.batch.jobs[job].commands.is_empty() {
            return;
        }
        let Ok(needed) = self.needed(job, |other| self.planned(other)).await else { return };
        if let Ok(_place) = self.places.acquire().await {
            let request = &self.batch.jobs[job].request;
            let _told_later = self.session.warm(request, &needed, &self.events[job]).await;
        }
    }

    fn planned(&self, job: usize) -> BoxFuture<'_, Result<Arc<Planned>, Ended>> {
        self.planned[job].get_or_init(move || self.plan(job)).map(Result::clone).boxed()
    }

    async fn plan(&self, job: usize) -> Result<Arc<Planned>, Ended> {
        let Job { commands, request, .. } = &self.batch.jobs[job];
        let ran = try_join_all(commands.iter().map(|command| self.command(*command))).await;
        self.told(job, ran.map_err(Ended::Failed))?;
        let needed = self.needed(job, |other| self.planned(other)).await;
        let needed = self.told(job, needed)?;
        let _place = self.place().await?;
        let planned = self.session.plan(request, &needed, &self.events[job]).await;
        self.told(job, planned.map(Arc::new).map_err(|error| Ended::Failed(error.shared())))
    }

    fn finished(&self, job: usize) -> BoxFuture<'_, Result<Arc<Finished>, Ended>> {
        self.finished[job].get_or_init(move || self.finish(job)).map(Result::clone).boxed()
    }

    async fn finish(&self, job: usize) -> Result<Arc<Finished>, Ended> {
        let planned = self.planned(job).await?;
        let needed = self.needed(job, |other| self.finished(other)).await;
        let needed = self.told(job, needed)?;
        let _place = self.place().await?;
        let (request, events) = (&self.batch.jobs[job].request, &self.events[job]);
        events.job(JobState::Began);
        let built = async {
            let compression = self.compression(job)?;
            self.session.carry_out(request, &planned, &needed, compression, events).await
        };
        let built = built.await.map(Arc::new).map_err(|error| Ended::Failed(error.shared()));
        let built = self.told(job, built)?;
        events.job(JobState::Done);
        Ok(built)
    }

    async fn place(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Ended> {
        let internal = |error: tokio::sync::AcquireError| Ended::Failed(Arc::new(Error::Internal(error.to_string())));
        self.places.acquire().await.map_err(internal)
    }

    /// The results of the jobs that `job` needs.
    async fn needed<'r, T>(
        &'r self,
        job: usize,
        result: impl Fn(usize) -> BoxFuture<'r, Result<T, Ended>>,
    ) -> Result<BTreeMap<String, T>, Ended> {
        let all = self.needs[job].iter().map(|(name, other)| {
            result(*other).map(move |result| match result {
                Ok(result) => Ok((name.clone(), result)),
                Err(_) => Err(Ended::Skipped(format!("{name} failed"))),
            })
        });
        Ok(try_join_all(all).await?.into_iter().collect())
    }

    /// An image that is only another's context is compressed as that one is.
    fn compression(&self, job: usize) -> Result<Compression, Error> {
        let request = &self.batch.jobs[job].request;
        if request.outputs.is_empty() || request.outputs.iter().any(|output| *output != Output::CacheOnly) {
            return chosen_compression(request);
        }
        match self.needs.iter().position(|needed| needed.values().any(|needed| *needed == job)) {
            Some(above) => self.compression(above),
            None => chosen_compression(request),
        }
    }

    /// Tells of a job that ended without a result.
    fn told<T>(&self, job: usize, result: Result<T, Ended>) -> Result<T, Ended> {
        match &result {
            Err(Ended::Failed(error)) => self.events[job].job(JobState::Failed(error.to_string())),
            Err(Ended::Skipped(because)) => self.events[job].job(JobState::Skipped(because.clone())),
            Ok(_) => {}
        }
        result
    }

    /// What came of each; `failed` is the job that ended the rest.
    fn reports(self, failed: Option<usize>) -> Vec<JobReport> {
        let because = failed.map(|job| format!("{} failed", self.batch.jobs[job].name)).unwrap_or_default();
        let ends = self.planned.into_iter().zip(self.finished);
        let reports = self.batch.jobs.iter().zip(ends).map(|(job, (planned, finished))| JobReport {
            name: job.name.clone(),
            outcome: outcome(planned.into_inner(), finished.into_inner(), &because),
        });
        reports.collect()
    }
}

/// How a job ended; `because` is why one was not begun that nobody said anything of.
fn outcome(
    planned: Option<Result<Arc<Planned>, Ended>>,
    finished: Option<Result<Arc<Finished>, Ended>>,
    because: &str,
) -> JobOutcome {
    match finished.or(planned.and_then(Result::err).map(Err)) {
        Some(Ok(finished)) => JobOutcome::Done(Box::new(finished.report.clone())),
        Some(Err(Ended::Failed(error))) => JobOutcome::Failed(Arc::try_unwrap(error).unwrap_or_else(Error::Shared)),
        Some(Err(Ended::Skipped(because))) => JobOutcome::Skipped { because },
        None => JobOutcome::Skipped { because: because.to_owned() },
    }
}
