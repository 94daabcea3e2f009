//! Packages as goals: images named by their content, which are found, fetched or built, whatever is least.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::{join_all, try_join_all};
use oci::{Descriptor, Index, Platform, Reference};
use tokio::sync::{Semaphore, watch};

use crate::event::{Event, EventSink, Events};
use crate::layers::blocking;
use crate::merge::{image_platform, merge};
use crate::package_build::Sinks;
use crate::package_remote::Remote;
use crate::{BuildRequest, Engine, Error};

/// An image that is wanted under a name that its content decides.
#[derive(Debug, Clone)]
pub struct Goal {
    /// Its name.
    pub name: Reference,
    /// The platforms it is wanted for.
    pub platforms: Vec<Platform>,
    /// What is done for it.
    pub policy: Policy,
    /// How it is built: everything but platforms, tags and outputs.
    pub request: BuildRequest,
    /// Images that its context holds as archives.
    pub images: Option<ContextImages>,
    /// The places of goals that have to be reached first.
    pub needs: BTreeSet<usize>,
}

/// Images that a context holds as archives that `docker load` reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextImages {
    /// The images, by digest.
    pub images: Vec<Reference>,
    /// Where in the context they are.
    pub target: String,
    /// Whether `target` is a directory with an archive for each, rather than one for all.
    pub directory: bool,
}

/// What is done for a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// It is built, whatever is there.
    Force,
    /// Nothing is built nor asked for.
    Skip,
    /// What the store has is good, then what the registry has, else it is built.
    Find {
        /// Whether what only the registry has is fetched.
        pull: bool,
    },
}

/// How a platform of a goal was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The store has it.
    Found,
    /// The registry has it.
    Remote,
    /// It was fetched.
    Pulled,
    /// It was built.
    Built,
    /// It is nowhere, and was not asked for.
    Absent,
}

impl How {
    /// In a word or two, for people.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Found => "found in the local store",
            Self::Remote => "found in the registry",
            Self::Pulled => "pulled",
            Self::Built => "built",
            Self::Absent => "not built",
        }
    }
}

/// What came of a goal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageReport {
    /// Its name.
    pub name: Reference,
    /// Its platforms, in the order asked for.
    pub platforms: Vec<(Platform, How)>,
}

impl Engine {
    /// Reaches goals: each after those it needs, what is independent side by side. One that fails lets down those that
    /// need it, and no others.
    pub async fn ensure_packages(&self, goals: &[Goal], sink: Arc<dyn EventSink>) -> Vec<Result<PackageReport, Error>> {
        let ends: Vec<watch::Sender<Option<bool>>> = goals.iter().map(|_| watch::Sender::new(None)).collect();
        let workers = Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from));
        let sinks = Sinks::new(sink);
        let all = goals.iter().zip(&ends).map(|(goal, end)| async {
            let sinks = sinks.labelled(&goal.name);
            let result = async {
                awaited(goals, &goal.needs, &ends).await?;
                let _worker = workers.acquire().await;
                self.ensure_package(goal, &sinks).await
            };
            let result = result.await;
            end.send_replace(Some(result.is_ok()));
            result
        });
        join_all(all).await
    }

    async fn ensure_package(&self, goal: &Goal, sinks: &Sinks) -> Result<PackageReport, Error> {
        let remote = Remote::new(self, &goal.name);
        let reached = goal.platforms.iter().map(async |platform| {
            let how = self.reach(goal, platform, &remote, sinks).await?;
            let events = Events::new(sinks.one());
            let vertex = events.start(format!("{platform}"));
            vertex.log(how.describe());
            vertex.finish(how != How::Built, Ok::<_, Error>((platform.clone(), how)))
        });
        Ok(PackageReport { name: goal.name.clone(), platforms: try_join_all(reached).await? })
    }

    async fn reach(&self, goal: &Goal, platform: &Platform, remote: &Remote<'_>, sinks: &Sinks) -> Result<How, Error> {
        let pull = match goal.policy {
            Policy::Force => return self.build_package(goal, platform, sinks).await,
            _ if self.has_package(&goal.name, platform).await? => return Ok(How::Found),
            Policy::Skip => return Ok(How::Absent),
            Policy::Find { pull } => pull,
        };
        match remote.entry(platform).await? {
            Some(entry) if pull => {
                remote.fetch(&entry).await?;
                self.name_package(&goal.name, remote.with_attestations(&entry).await?, true).await?;
                Ok(How::Pulled)
            }
            Some(_) => Ok(How::Remote),
            None => self.build_package(goal, platform, sinks).await,
        }
    }

    /// Whether the store has the image for a platform: its manifest, and every blob or at least where to get it.
    async fn has_package(&self, name: &Reference, platform: &Platform) -> Result<bool, Error> {
        if self.whole(name, platform)?.is_some() {
            return Ok(true);
        }
        // Whoever built it was stopped before it could name the index.
        match self.whole(&with_arch(name, platform)?, platform)? {
            Some(entry) => self.name_package(name, vec![entry], false).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// The entry for a platform of an image in the store, when what it names can be had.
    pub(crate) fn whole(&self, name: &Reference, platform: &Platform) -> Result<Option<Descriptor>, Error> {
        let entries = self.package_entries(name)?;
        let fits = |entry: &&Descriptor| image_platform(entry).is_some_and(|theirs| theirs.serves(platform));
        let Some(entry) = entries.iter().find(fits).filter(|entry| self.store.contains(&entry.digest)) else {
            return Ok(None);
        };
        for blob in self.store.missing(&self.store.manifest(&entry.digest)?) {
            if self.store.origin(&blob.digest)?.is_empty() {
                return Ok(None);
            }
        }
        Ok(Some(entry.clone()))
    }

    /// What the store has under a name, as entries of an index; the manifests of some may be elsewhere.
    pub(crate) fn package_entries(&self, name: &Reference) -> Result<Vec<Descriptor>, Error> {
        match self.store.resolve(name)? {
            None => Ok(Vec::new()),
            Some(image) if image.media_type.is_index() => Ok(self.store.image_index(&image.digest)?.manifests),
            Some(image) => Ok(vec![self.entry_of(image)?]),
        }
    }

    /// A manifest as an entry: with the platform that its config tells.
    pub(crate) fn entry_of(&self, image: Descriptor) -> Result<Descriptor, Error> {
        let config = self.store.config(&self.store.manifest(&image.digest)?.config.digest)?;
        let mut platform = Platform::new(&config.os, &config.architecture, &config.variant);
        platform.os_version.clone_from(&config.os_version);
        Ok(Descriptor { platform: Some(platform), ..Descriptor::new(image.media_type, image.digest, image.size) })
    }

    /// Adds entries to the index that has the name, in one step as others see it.
    pub(crate) async fn name_package(
        &self,
        name: &Reference,
        entries: Vec<Descriptor>,
        replace: bool,
    ) -> Result<(), Error> {
        let (engine, name) = (self.clone(), name.clone());
        blocking(move || engine.store.retag(&name, |now| engine.with_entries(now, &entries, replace, &name)).map(drop))
            .await
    }

    fn with_entries(
        &self,
        now: Option<&Descriptor>,
        entries: &[Descriptor],
        replace: bool,
        name: &Reference,
    ) -> Result<Descriptor, Error> {
        let index = match now {
            Some(image) if image.media_type.is_index() => Some(self.store.image_index(&image.digest)?),
            Some(image) => Some(Index::new(vec![self.entry_of(image.clone())?], false)),
            None => None,
        };
        let conflict = |platform| Error::Replaces { name: name.clone(), platform: Box::new(platform) };
        let merged = merge(index.as_ref(), entries, replace).map_err(conflict)?;
        match now {
            Some(image) if image.media_type.is_index() && index.as_ref() == Some(&merged) => Ok(image.clone()),
            _ => Ok(self.store.put(&index_bytes(&merged)?, merged.media_type.unwrap_or(oci::MediaType::OCI_INDEX))?),
        }
    }
}

/// An index as it is stored and sent.
pub(crate) fn index_bytes(index: &Index) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(index).map_err(|error| Error::Internal(error.to_string()))
}

/// The name with the architecture behind it, as LinuxKit writes it.
pub(crate) fn with_arch(name: &Reference, platform: &Platform) -> Result<Reference, Error> {
    let arch = Platform::new("", &platform.architecture, &platform.variant);
    let parts = [arch.architecture.as_str(), arch.variant.as_str()];
    let suffix: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let tag = format!("{}-{}", name.tag().unwrap_or("latest"), suffix.join("-"));
    name.with_tag(&tag).map_err(|error| Error::Conflict(error.to_string()))
}

/// Waits until what is needed is there.
async fn awaited(goals: &[Goal], needs: &BTreeSet<usize>, ends: &[watch::Sender<Option<bool>>]) -> Result<(), Error> {
    for need in needs {
        let (Some(end), Some(goal)) = (ends.get(*need), goals.get(*need)) else { continue };
        let mut end = end.subscribe();
        let well = end.wait_for(Option::is_some).await.is_ok_and(|ended| *ended == Some(true));
        if !well {
            return Err(Error::Conflict(format!("not begun: it needs {}, which failed", goal.name.familiar())));
        }
    }
    Ok(())
}

/// The event under another number, with a label in front of what is a sentence.
pub(crate) fn renumbered(event: Event, id: impl Fn(crate::VertexId) -> crate::VertexId, label: &str) -> Event {
    match event {
        Event::Started { id: old, name, job } => Event::Started { id: id(old), name: format!("{label}{name}"), job },
        Event::Progress { id: old, what, done, total } => Event::Progress { id: id(old), what, done, total },
        Event::Stage { id: old, stage, began, ended, busy } => Event::Stage { id: id(old), stage, began, ended, busy },
        Event::Log { id: old, line } => Event::Log { id: id(old), line },
        Event::Finished { id: old, cached, error } => Event::Finished { id: id(old), cached, error },
        Event::Warning { message, location } => Event::Warning { message: format!("{label}{message}"), location },
        Event::Job { name, state } => Event::Job { name: format!("{label}{name}").into(), state },
    }
}
