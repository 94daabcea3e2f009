//! What a request needs permission for.

/// The scopes of a request (Docker's token scope grammar), and the repository whose credential it goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Access {
    path: String,
    scopes: Vec<String>,
}

impl Access {
    /// No more than being known.
    pub(crate) fn identity() -> Self {
        Self { path: String::new(), scopes: Vec::new() }
    }

    /// Reading the repository `path`.
    pub(crate) fn pull(path: &str) -> Self {
        Self { path: path.to_owned(), scopes: vec![format!("repository:{path}:pull")] }
    }

    /// Reading and writing the repository `path`.
    pub(crate) fn push(path: &str) -> Self {
        Self { path: path.to_owned(), scopes: vec![format!("repository:{path}:pull,push")] }
    }

    /// Writing the repository `path` with blobs of the repository `from`.
    pub(crate) fn mount(path: &str, from: &str) -> Self {
        let mut access = Self::push(path);
        access.scopes.push(format!("repository:{from}:pull"));
        access
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn scopes(&self) -> &[String] {
        &self.scopes
    }
}
