//! What a builder may ask of us during one build.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use buildkit::{Blobs, Files, FindCredential, ReadSecret, Services};
use graph::{BaseOrigin, Graph, Op};
use oci::Reference;
use registry::Client;

use super::files::{OneFile, Shown};
use super::{Remote, attributes, caches};
use crate::run::{ServedAgent, read_secret};
use crate::{CachePlace, ContextSource, Error, SecretSource};

impl Remote<'_> {
    /// The services of one session, and the agents that live as long.
    pub(super) fn offer(
        &self,
        archive: &Arc<File>,
        graph: &Graph,
        blobs: BTreeMap<String, Arc<dyn Blobs>>,
    ) -> Result<(Services, Vec<ServedAgent>), Error> {
        let sandbox = &self.request.sandbox;
        let (mut served, mut agents) = (Vec::new(), BTreeMap::new());
        for (id, agent) in &sandbox.agents {
            let agent = ServedAgent::start(agent).map_err(|error| Error::Internal(error.to_string()))?;
            agents.insert(id.clone(), agent.socket().to_owned());
            served.push(agent);
        }
        let services = Services {
            directories: self.directories(graph)?,
            blobs,
            caches: caches::directories(self.request),
            secrets: sandbox.secrets.iter().map(|(id, source)| (id.clone(), secret(id, source))).collect(),
            agents,
            credential: credentials(self.client, self.hosts(graph)),
            result: Some(Arc::clone(archive)),
            sent: Arc::new(AtomicU64::new(0)),
        };
        Ok((services, served))
    }

    fn directories(&self, graph: &Graph) -> Result<BTreeMap<String, Arc<dyn Files>>, Error> {
        let text = self.source.text.clone().into_bytes();
        let contexts = &self.work.contexts;
        let mut directories: BTreeMap<String, Arc<dyn Files>> = BTreeMap::new();
        directories.insert("dockerfile".into(), Arc::new(OneFile { name: attributes::DOCKERFILE, content: text }));
        directories
            .insert(MAIN_DIRECTORY.into(), Arc::new(Shown(contexts.named(&contexts.main_for(&graph.platform))?)));
        for (name, source) in &self.request.named_contexts {
            if matches!(source, ContextSource::Directory(_) | ContextSource::Mapped(_) | ContextSource::Empty) {
                directories.insert(attributes::directory(name), Arc::new(Shown(contexts.named(name)?)));
            }
        }
        Ok(directories)
    }

    /// The registries that the build names: only their credentials are lent.
    fn hosts(&self, graph: &Graph) -> BTreeSet<String> {
        let bases = graph.steps.iter().filter_map(|step| match &step.op {
            Op::Base(base) => match &base.need.origin {
                BaseOrigin::Image(reference) => Some(reference),
                _ => None,
            },
            _ => None,
        });
        let contexts = self.request.named_contexts.values().filter_map(|source| match source {
            ContextSource::Image(reference) => Some(reference),
            _ => None,
        });
        let caches = self.request.cache_from.iter().map(|source| &source.place);
        let caches = caches.chain(self.request.cache_to.iter().filter_map(|target| target.place.as_ref()));
        let caches = caches.filter_map(|place| match place {
            CachePlace::Registry(reference) => Some(reference),
            CachePlace::Directory { .. } => None,
        });
        let scanner = self.request.attestations.values().filter_map(|options| generator(options));
        let named = bases.chain(contexts).chain(caches).cloned().chain(scanner);
        named.map(|reference| reference.repository().registry().to_owned()).collect()
    }
}

/// The main context, as BuildKit calls it.
const MAIN_DIRECTORY: &str = "context";

/// The image that an attestation is made by.
fn generator(options: &str) -> Option<Reference> {
    options.split(',').find_map(|option| option.strip_prefix("generator="))?.parse().ok()
}

fn secret(id: &str, source: &SecretSource) -> ReadSecret {
    let (id, source) = (id.to_owned(), source.clone());
    Arc::new(move || read_secret(&id, &source).map_err(std::io::Error::other))
}

/// Credentials for the hosts that the build talks to, and for no others.
fn credentials(client: &Client, hosts: BTreeSet<String>) -> FindCredential {
    let (client, handle) = (client.clone(), tokio::runtime::Handle::current());
    Arc::new(move |asked| {
        let host = if matches!(asked, "registry-1.docker.io" | "index.docker.io") { "docker.io" } else { asked };
        if !hosts.contains(host) {
            return None;
        }
        match handle.block_on(client.credential(host)).ok()?? {
            registry::Credential::Basic { username, password } => {
                Some(buildkit::Credential { user: username, password: password.reveal().to_owned() })
            }
            registry::Credential::IdentityToken(token) => {
                Some(buildkit::Credential { user: String::new(), password: token.reveal().to_owned() })
            }
            registry::Credential::RegistryToken(_) => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use registry::{Config, Credential, Secret};

    use super::*;

    #[tokio::test]
    async fn credentials_are_lent_for_the_registries_of_the_build_and_no_others() {
        let basic = |word: &str| Credential::Basic { username: "me".into(), password: Secret::new(word) };
        let mut config = Config::default();
        config.credentials = config.credentials.with("one.test", basic("first")).with("two.test", basic("second"));
        let find = credentials(&Client::new(config), BTreeSet::from(["one.test".to_owned()]));
        let ask = |host: &'static str| {
            let find = Arc::clone(&find);
            async move {
                tokio::task::spawn_blocking(move || find(host).map(|found| found.password)).await.expect("it ends")
            }
        };
        assert_eq!(ask("one.test").await.as_deref(), Some("first"));
        assert_eq!(ask("two.test").await, None);
        assert_eq!(ask("one.test.evil.test").await, None);
    }
}
