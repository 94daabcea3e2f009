//! Who we are to a registry, and how we prove it.

mod access;
mod challenge;
mod credential;
mod file;
mod helper;
pub(crate) mod name;
mod realm;
mod token;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) use access::Access;
pub(crate) use challenge::Challenge;
pub use credential::Credential;
pub(crate) use credential::encode;
pub(crate) use token::Session;

use crate::environment::Environment;
use crate::error::Cause;
use crate::secret::Secret;
use file::AuthFile;
use helper::Helper;

/// Where `login` has put a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// In a file that only its owner may read, not encrypted.
    File(PathBuf),
    /// With the credential helper `docker-credential-NAME`.
    Helper(String),
}

/// Where credentials come from, and where `login` puts them.
///
/// Looked at in this order: what [`Credentials::with`] named; `$REGISTRY_AUTH_FILE`; Docker's `config.json`; podman's
/// `auth.json` of the session (`$XDG_RUNTIME_DIR`), then of the user. In a file, `credHelpers` come before `credsStore`,
/// and that before `auths`, where the longest key that names the repository wins.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    named: BTreeMap<String, Credential>,
    files: Vec<PathBuf>,
    docker: Option<PathBuf>,
    helper_path: Option<OsString>,
}

impl Credentials {
    pub(crate) fn find(environment: &Environment) -> Self {
        let docker = environment.docker("config.json");
        let session = environment.path("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json"));
        let files = [
            environment.path("REGISTRY_AUTH_FILE"),
            docker.clone(),
            session,
            environment.user_config("containers/auth.json"),
        ];
        Self {
            named: BTreeMap::new(),
            files: files.into_iter().flatten().collect(),
            docker,
            helper_path: environment.var("PATH").cloned(),
        }
    }

    /// Knows `credential` for `host` (`host[:port]`, as references name it), before any file.
    #[must_use]
    pub fn with(mut self, host: &str, credential: Credential) -> Self {
        self.named.insert(host.to_owned(), credential);
        self
    }

    /// What is configured for the repository `path` of `host`.
    pub(crate) async fn lookup(&self, host: &str, path: &str) -> Result<Option<Credential>, Cause> {
        if let Some(credential) = self.named.get(host) {
            return Ok(Some(credential.clone()));
        }
        for path_of_file in &self.files {
            let file = AuthFile::read(path_of_file)?;
            if let Some(name) = file.helper(host)
                && let Some(credential) = self.helper(name)?.get(&name::docker_key(host)).await?
            {
                return Ok(Some(credential));
            }
            if let Some(credential) = file.credential(host, path) {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }

    /// Stores a name and password as docker does.
    pub(crate) async fn store(&self, host: &str, username: &str, password: &Secret) -> Result<Stored, Cause> {
        let path = self.docker_file()?;
        match AuthFile::read(path)?.helper(host) {
            Some(name) => {
                self.helper(name)?.store(&name::docker_key(host), username, password).await?;
                file::remember(path, host, None)?;
                Ok(Stored::Helper(name.to_owned()))
            }
            None => {
                file::remember(path, host, Some((username, password)))?;
                Ok(Stored::File(path.clone()))
            }
        }
    }

    /// Forgets what `store` stored; whether there was something.
    pub(crate) async fn forget(&self, host: &str) -> Result<bool, Cause> {
        let path = self.docker_file()?;
        let mut known = false;
        if let Some(name) = AuthFile::read(path)?.helper(host) {
            let helper = self.helper(name)?;
            known = helper.get(&name::docker_key(host)).await?.is_some();
            if known {
                helper.erase(&name::docker_key(host)).await?;
            }
        }
        Ok(file::forget(path, host)? || known)
    }

    fn helper<'a>(&'a self, name: &'a str) -> Result<Helper<'a>, Cause> {
        Helper::new(name, self.helper_path.as_ref())
    }

    fn docker_file(&self) -> Result<&PathBuf, Cause> {
        self.docker.as_ref().ok_or_else(|| Cause::File {
            path: "config.json".into(),
            problem: "there is no place for it: neither HOME nor DOCKER_CONFIG is set".into(),
        })
    }
}
