//! Builds on BuildKit builders: from a request to a solve, and from its result to what is built.

mod attributes;
mod caches;
mod choose;
mod files;
mod images;
mod import;
mod offer;
mod told;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use buildkit::{Address, Builder, Solve};
use dockerfile::{Source, Span};
use futures_util::future::try_join_all;
use graph::Graph;
use oci::{Digest, Platform};
use registry::Client;

use self::told::Told;
use crate::assemble::Built;
use crate::build::{BaseImages, Finished};
use crate::event::{Events, Vertex};
use crate::execute::{Beneath, Work};
use crate::layers::blocking;
use crate::snapshot::Snapshot;
use crate::{BuildRequest, Error};

pub use choose::Builders;
pub(crate) use choose::choose;

/// What all solves of a build share.
pub(crate) struct Remote<'a> {
    pub(crate) client: &'a Client,
    pub(crate) request: &'a BuildRequest,
    pub(crate) work: &'a Work,
    pub(crate) source: &'a Arc<Source>,
    pub(crate) images: &'a BaseImages,
    /// The images of this run that it is built upon.
    pub(crate) needed: &'a BTreeMap<String, Arc<Finished>>,
    pub(crate) events: &'a Events,
}

impl Remote<'_> {
    /// Builds every platform on its builder, side by side.
    pub(crate) async fn build_all(&self, jobs: &[(&Graph, &Address)]) -> Result<Vec<(Built, Beneath)>, Error> {
        try_join_all(jobs.iter().map(|(graph, address)| self.build(graph, address))).await
    }

    async fn build(&self, graph: &Graph, address: &Address) -> Result<(Built, Beneath), Error> {
        let platform = &graph.platform;
        let vertex = self.events.start(format!("[{platform}] build on {address}"));
        let solved = self.solve(graph, address, &vertex).await;
        let built = vertex.finish(false, solved)?;
        let snapshot = Arc::new(Snapshot::of_layers(built.layers.clone()));
        let config = serde_json::to_vec(&built.config).map_err(|error| Error::Internal(error.to_string()))?;
        Ok((built, Beneath { snapshot, identity: Digest::of(&config) }))
    }

    async fn solve(&self, graph: &Graph, address: &Address, vertex: &Vertex) -> Result<Built, Error> {
        let platform = &graph.platform;
        let builder = Builder::connect(address).await?;
        builder.require(platform)?;
        attributes::check_version(&builder, self.request)?;
        let archive = Arc::new(blocking(|| tempfile::tempfile().map_err(result_error)).await?);
        let images = self.offered_images(&builder, platform).await?;
        let (offer, _agents) = self.offer(&archive, graph, images.blobs)?;
        let sent = Arc::clone(&offer.sent);
        let name = import::temporary_name();
        let mut attributes = attributes::of(self.request, platform, self.work.setting.timestamp);
        attributes.extend(images.attributes);
        attributes.extend(caches::imports(self.request, self.events).map(|text| ("cache-imports".to_owned(), text)));
        let solve = Solve {
            id: name.id.clone(),
            shared_key: self.shared_key(platform),
            attributes,
            entitlements: attributes::entitlements(self.request),
            cache_to: attributes::cache_to(self.request),
            exporter: import::exporter(address, &name, self.work, self.request),
        };
        let told = Told::new(self.events, graph, self.source);
        let solved = builder.solve(solve, offer, &|progress| told.tell(progress)).await;
        let solved = solved.map_err(|error| self.placed(error, &told))?;
        self.name_caches(&solved)?;
        vertex.log(format!("sent {} bytes of files", sent.load(Ordering::Relaxed)));
        import::import(self, address, &name, &archive, platform).await
    }

    /// Tells a builder that trees of one build are those of the next, so that it asks for what changed only.
    fn shared_key(&self, platform: &Platform) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        let context = (&self.request.context, self.work.contexts.main_for(platform));
        Digest::of(format!("{}\0{context:?}", here.display()).as_bytes()).hex().to_owned()
    }

    /// A build's failure, told where it is in the Dockerfile.
    fn placed(&self, mut error: buildkit::Error, told: &Told<'_>) -> Error {
        let buildkit::Error::Solve { line, foreign, .. } = &mut error else { return error.into() };
        *foreign |= told.foreign();
        // Old builders do not tell the line, but what they call the step.
        let span = line.map_or_else(|| told.failed_step()?.span, |line| span_of(self.source, line));
        match span {
            Some(span) => Error::from(error).within(self.source, Some(span)),
            None => error.into(),
        }
    }
}

/// The text of a line, which counts from 1, without what is blank around it.
fn span_of(source: &Source, line: u32) -> Option<Span> {
    let mut start = 0;
    for (number, text) in (1..).zip(source.text.split_inclusive('\n')) {
        if number == line {
            let begin = start + (text.len() - text.trim_start().len());
            return Some(Span::new(begin, begin + text.trim().len()));
        }
        start += text.len();
    }
    None
}

fn result_error(error: std::io::Error) -> Error {
    buildkit::Error::Result(error).into()
}
