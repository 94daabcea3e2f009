//! One build on a builder.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::{
    CacheOptions, CacheOptionsEntry, ListWorkersRequest, SolveRequest, StatusRequest,
};
use oci::{Descriptor, Platform};
use tonic::Status;
use tonic::transport::Channel;

use crate::progress::{Progress, Reader};
use crate::session::{Services, Session};
use crate::transport::{channel, open, reason};
use crate::{Address, Error};

/// Messages of gRPC end at 4 MB unless one says so; large builds have large statuses.
const MESSAGE: usize = 64 << 20;
/// What is still to be said of a build that has ended is waited for so long.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Under what a response has the cache's manifest.
const CACHE: &str = "cache.manifest";

/// A builder that answers.
pub struct Builder {
    address: Address,
    control: ControlClient<Channel>,
    platforms: Vec<Platform>,
    version: Option<String>,
}

/// What is asked of a builder: the attributes are those of its Dockerfile frontend.
#[derive(Debug, Clone, Default)]
pub struct Solve {
    /// Tells this build from every other, as does the session that belongs to it.
    pub id: String,
    /// What trees of this client are known by from one build to the next.
    pub shared_key: String,
    /// The frontend's attributes.
    pub attributes: BTreeMap<String, String>,
    /// What the Dockerfile may ask for beyond a sandbox.
    pub entitlements: Vec<String>,
    /// Where it writes what others may look up.
    pub cache_to: Vec<Cache>,
    /// What becomes of the result.
    pub exporter: Exporter,
}

/// A cache, as a builder names its kinds.
#[derive(Debug, Clone)]
pub struct Cache {
    /// `registry`, `inline`, `local`.
    pub kind: &'static str,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
}

/// What a builder said at the end.
#[derive(Debug, Clone, Default)]
pub struct Solved {
    /// The manifest of the cache that it wrote, if it wrote one.
    pub cache: Option<Descriptor>,
}

/// What becomes of a result.
#[derive(Debug, Clone, Default)]
pub struct Exporter {
    /// `oci`, or `moby` for an engine's own images.
    pub kind: &'static str,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
}

impl Builder {
    /// Opens the connection, and asks what it builds for.
    ///
    /// # Errors
    /// When there is no builder that answers.
    pub async fn connect(address: &Address) -> Result<Self, Error> {
        let control = ControlClient::new(channel(address, open(address).await?).await?);
        let control = control.max_decoding_message_size(MESSAGE);
        let mut builder = Self { address: address.clone(), control, platforms: Vec::new(), version: None };
        let mut control = builder.control();
        let asked = control.list_workers(ListWorkersRequest::default());
        let silent = |reason: String| Error::Connect { builder: address.to_string(), reason };
        let answer = tokio::time::timeout(crate::transport::PATIENCE, asked).await;
        let answer = answer.map_err(|_| silent("it does not answer".into()))?;
        let workers = answer.map_err(|status| silent(reason(&status)))?.into_inner().record;
        builder.version = workers.iter().find_map(|worker| Some(worker.buildkit_version.as_ref()?.version.clone()));
        builder.platforms = workers.into_iter().flat_map(|worker| worker.platforms).filter_map(platform).collect();
        Ok(builder)
    }

    /// Its version; builders before 0.11 do not tell theirs.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Fails when it does not build for `wanted`.
    ///
    /// # Errors
    /// When it does not: with what it offers.
    pub fn require(&self, wanted: &Platform) -> Result<(), Error> {
        let same = |one: &Platform| one.os == wanted.os && one.architecture == wanted.architecture;
        if self.platforms.iter().any(same) {
            return Ok(());
        }
        let mut offered: Vec<String> = self.platforms.iter().map(ToString::to_string).collect();
        offered.dedup();
        Err(Error::NoPlatform { builder: self.address.to_string(), wanted: Box::new(wanted.clone()), offered })
    }

    /// Builds, and answers what the builder asks of `services` meanwhile. Dropping the future ends the build.
    ///
    /// # Errors
    /// When the build fails, or the connection is lost.
    pub async fn solve(
        &self,
        solve: Solve,
        services: Services,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Solved, Error> {
        let mut session = Session::open(self, &solve, services).await?;
        tokio::select! {
            answer = self.carry_out(solve, progress) => answer.map_err(|status| self.failure(&status)),
            reason = session.ended() => Err(self.lost(&reason)),
        }
    }

    async fn carry_out(&self, solve: Solve, progress: &(dyn Fn(Progress) + Sync)) -> Result<Solved, Status> {
        let (id, mut control) = (solve.id.clone(), self.control());
        let mut follow = std::pin::pin!(self.follow(&id, progress));
        let mut asked = std::pin::pin!(control.solve(request(solve)));
        let answer = tokio::select! {
            answer = &mut asked => {
                let _what_is_left_unsaid = tokio::time::timeout(LAST_WORDS, follow).await;
                answer
            }
            () = &mut follow => asked.await,
        };
        let response = answer?.into_inner().exporter_response;
        Ok(Solved { cache: response.get(CACHE).and_then(|text| serde_json::from_str(text).ok()) })
    }

    /// Shows what the builder says until it has said all; how the build ended is the solve's to tell.
    async fn follow(&self, id: &str, progress: &(dyn Fn(Progress) + Sync)) {
        let mut control = self.control();
        let Ok(answer) = control.status(StatusRequest { r#ref: id.to_owned() }).await else { return };
        let (mut statuses, mut reader) = (answer.into_inner(), Reader::default());
        while let Ok(Some(status)) = statuses.message().await {
            reader.read(status).into_iter().for_each(progress);
        }
    }

    pub(crate) fn control(&self) -> ControlClient<Channel> {
        self.control.clone()
    }

    /// The address it was connected at.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

fn platform(told: bollard_buildkit_proto::pb::Platform) -> Option<Platform> {
    let variant = if told.variant.is_empty() { String::new() } else { format!("/{}", told.variant) };
    format!("{}/{}{variant}", told.os, told.architecture).parse().ok()
}

fn request(solve: Solve) -> SolveRequest {
    SolveRequest {
        r#ref: solve.id.clone(),
        session: solve.id,
        exporter_deprecated: solve.exporter.kind.to_owned(),
        exporter_attrs_deprecated: solve.exporter.attributes.into_iter().collect(),
        frontend: "dockerfile.v0".into(),
        frontend_attrs: solve.attributes.into_iter().collect(),
        entitlements: solve.entitlements,
        cache: Some(CacheOptions {
            exports: solve.cache_to.into_iter().map(entry).collect(),
            ..CacheOptions::default()
        }),
        ..SolveRequest::default()
    }
}

fn entry(cache: Cache) -> CacheOptionsEntry {
    CacheOptionsEntry { r#type: cache.kind.to_owned(), attrs: cache.attributes.into_iter().collect() }
}
