//! Writing blobs: look, mount, send; resume or start again.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex};

use oci::{Descriptor, Digest, Repository};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Method, Response, StatusCode};
use url::Url;

use crate::answer::header;
use crate::auth::Access;
use crate::client::Pushed;
use crate::error::{Cause, quote};
use crate::host::Host;
use crate::outflow::Outflow;
use crate::source::{BlobSource, ByteStream, Observer};
use crate::transport::{Call, Payload, Transport, next_address};

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// A repository that is written to.
pub(crate) struct Target {
    pub(crate) transport: Arc<Transport>,
    pub(crate) host: Arc<Host>,
    pub(crate) repository: Repository,
    pub(crate) observer: Arc<dyn Observer>,
}

/// An upload that the registry has begun: where it goes on, and how much it has.
struct Session {
    url: Url,
    offset: u64,
}

/// What the registry made of a wish to upload.
enum Begun {
    Mounted,
    Session(Session),
}

impl Target {
    /// Whether the repository has the blob. Asked with the permission to push, so that one token serves the whole push.
    pub(crate) async fn has(&self, digest: &Digest) -> Result<bool, Cause> {
        let call = Call::new(Method::HEAD, self.url(&format!("blobs/{digest}"))?, self.access());
        match self.transport.send_patiently(&self.host, &call).await {
            Ok(_) => Ok(true),
            Err(Cause::Answer(answer)) if answer.status == 404 => Ok(false),
            Err(cause) => Err(cause),
        }
    }

    pub(crate) async fn push(
        &self,
        blob: &Descriptor,
        source: &Arc<dyn BlobSource>,
        from: &[Repository],
    ) -> Result<Pushed, Cause> {
        if self.has(&blob.digest).await? {
            return Ok(Pushed::Existed);
        }
        let mut session = None;
        for origin in from.iter().filter(|origin| self.may_mount(origin)) {
            match self.mount(&blob.digest, origin).await? {
                Some(Begun::Mounted) => return Ok(Pushed::Mounted(origin.clone())),
                Some(Begun::Session(begun)) => self.replace(&mut session, begun).await,
                None => {}
            }
        }
        self.upload(blob, source, session).await?;
        Ok(Pushed::Uploaded)
    }

    /// Sends a blob without asking for it.
    pub(crate) async fn push_unasked(&self, blob: &Descriptor, source: &Arc<dyn BlobSource>) -> Result<(), Cause> {
        self.upload(blob, source, None).await
    }

    fn may_mount(&self, origin: &Repository) -> bool {
        origin.registry() == self.repository.registry() && *origin != self.repository
    }

    /// Asks the registry to link the blob from `origin`. One that will not may offer a session instead, or refuse, which
    /// only means that the blob has to be sent.
    async fn mount(&self, digest: &Digest, origin: &Repository) -> Result<Option<Begun>, Cause> {
        let mut url = self.url("blobs/uploads/")?;
        url.query_pairs_mut().append_pair("mount", digest.as_str()).append_pair("from", origin.path());
        let access = Access::mount(self.repository.path(), origin.path());
        let call = Call::new(Method::POST, url, access).header(CONTENT_LENGTH, HeaderValue::from_static("0"));
        match self.transport.send_patiently(&self.host, &call).await {
            Ok(response) if response.status() == StatusCode::CREATED => Ok(Some(Begun::Mounted)),
            Ok(response) => Ok(Some(Begun::Session(self.session(&call.url, &response, 0)?))),
            Err(Cause::Answer(_) | Cause::Unauthorized { .. }) => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    /// Keeps the newer session and gives the older one back.
    async fn replace(&self, session: &mut Option<Session>, newer: Session) {
        if let Some(older) = session.replace(newer) {
            let call = Call::new(Method::DELETE, older.url, self.access());
            // A session that stays open expires by itself.
            let _ = self.transport.send(&self.host, &call).await;
        }
    }

    /// Begins an upload.
    async fn begin(&self) -> Result<Session, Cause> {
        let call = Call::new(Method::POST, self.url("blobs/uploads/")?, self.access())
            .header(CONTENT_LENGTH, HeaderValue::from_static("0"));
        let response = self.transport.send_patiently(&self.host, &call).await?;
        self.session(&call.url, &response, 0)
    }

    fn session(&self, asked: &Url, response: &Response, offset: u64) -> Result<Session, Cause> {
        Ok(Session { url: next_address(&self.host, asked, header(response, "location"))?, offset })
    }

    /// Sends the blob in one request, and again from where it broke, until the registry has it.
    async fn upload(
        &self,
        blob: &Descriptor,
        source: &Arc<dyn BlobSource>,
        mut session: Option<Session>,
    ) -> Result<(), Cause> {
        let _permit = self.host.uploads.acquire().await;
        let mut done = 0;
        loop {
            let open = match session.take() {
                Some(open) => open,
                None => self.begin().await?,
            };
            done += 1;
            let Err(cause) = self.send(&open, blob, source).await else { return Ok(()) };
            if !cause.is_transient() && !is_lost(&cause) {
                return Err(cause);
            }
            self.transport.pause(done, cause).await?;
            // What broke may have been the answer only.
            if self.has(&blob.digest).await? {
                return Ok(());
            }
            session = self.resume(open, blob.size).await;
        }
    }

    /// Asks how much of a broken upload has arrived; `None` when it has to start again.
    async fn resume(&self, session: Session, size: u64) -> Option<Session> {
        let call = Call::new(Method::GET, session.url, self.access());
        let response = self.transport.send(&self.host, &call).await.ok()?;
        let last = header(&response, "range")?.trim_start_matches("bytes=").strip_prefix("0-")?;
        let offset = last.parse::<u64>().ok()?.checked_add(1).filter(|offset| *offset <= size)?;
        let url = match header(&response, "location") {
            Some(location) => next_address(&self.host, &call.url, Some(location)).ok()?,
            None => call.url,
        };
        // An empty upload is reported as `0-0`, like one of a single byte, which is cheap to send again.
        if offset > 1 { Some(Session { url, offset }) } else { None }
    }

    /// The closing PUT, with all bytes that the session lacks.
    async fn send(&self, session: &Session, blob: &Descriptor, source: &Arc<dyn BlobSource>) -> Result<(), Cause> {
        let outflow = Outflow::new(source, blob, session.offset, &self.repository, &self.observer);
        let make = || outflow.body();
        let remaining = blob.size - session.offset;
        let mut call = Call::new(Method::PUT, closing(&session.url, &blob.digest), self.access())
            .header(CONTENT_TYPE, OCTETS)
            .header(CONTENT_LENGTH, HeaderValue::from(remaining));
        if remaining > 0 {
            call = call.body(Payload::Made(&make));
        }
        if session.offset > 0 && remaining > 0 {
            let range = format!("{}-{}", session.offset, blob.size - 1);
            let range = HeaderValue::from_str(&range).map_err(|_| Cause::protocol(&self.host.name, "no such range"))?;
            call = call.header(CONTENT_RANGE, range);
        }
        let patience = self.transport.config.timeouts.read;
        let sent = outflow.watched(&self.host.name, patience, self.transport.send(&self.host, &call)).await;
        outflow.verdict(sent).and_then(|response| self.committed(&response, &blob.digest))
    }

    /// Sends bytes as they come, and names them when they have ended.
    pub(crate) async fn push_streaming(
        &self,
        body: ByteStream,
        digest: impl Future<Output = io::Result<Digest>> + Send,
    ) -> Result<Digest, Cause> {
        let _permit = self.host.uploads.acquire().await;
        let session = self.begin().await?;
        let (body, trouble) = crate::outflow::guarded(body);
        let body = Mutex::new(Some(body));
        let make = || take_once(&body, &self.host);
        let call = Call::new(Method::PATCH, session.url, self.access())
            .header(CONTENT_TYPE, OCTETS)
            .body(Payload::Made(&make));
        let sent = self.transport.send(&self.host, &call).await;
        let response = trouble.verdict(sent)?;
        let session = self.session(&call.url, &response, 0)?;
        let digest = digest.await.map_err(Cause::Source)?;
        self.close(&session, &digest).await?;
        Ok(digest)
    }

    /// The closing PUT after all bytes have been sent. It may be repeated: the registry forgets the session only when it
    /// has the blob.
    async fn close(&self, session: &Session, digest: &Digest) -> Result<(), Cause> {
        let call = Call::new(Method::PUT, closing(&session.url, digest), self.access())
            .header(CONTENT_TYPE, OCTETS)
            .header(CONTENT_LENGTH, HeaderValue::from_static("0"));
        match self.transport.send_patiently(&self.host, &call).await {
            Ok(response) => self.committed(&response, digest),
            Err(cause) if is_lost(&cause) && self.has(digest).await? => Ok(()),
            Err(cause) => Err(cause),
        }
    }

    fn committed(&self, response: &Response, digest: &Digest) -> Result<(), Cause> {
        if !response.status().is_success() {
            let problem = format!("it answered {} where an upload was to end", response.status().as_u16());
            return Err(Cause::protocol(&self.host.name, problem));
        }
        match header(response, "docker-content-digest") {
            Some(stored) if stored != digest.as_str() => {
                Err(Cause::WrongDigest { expected: digest.clone(), actual: quote(stored) })
            }
            _ => Ok(()),
        }
    }

    fn url(&self, rest: &str) -> Result<Url, Cause> {
        self.host.url(&format!("{}/{rest}", self.repository.path()))
    }

    fn access(&self) -> Access {
        Access::push(self.repository.path())
    }
}

/// A body that cannot be made a second time, as its bytes are gone.
fn take_once(body: &Mutex<Option<Body>>, host: &Host) -> Result<Body, Cause> {
    let body = body.lock().ok().and_then(|mut body| body.take());
    body.ok_or_else(|| Cause::Interrupted {
        host: host.name.clone(),
        message: "the registry wants the upload repeated, but its content was made while it was sent".into(),
    })
}

fn closing(url: &Url, digest: &Digest) -> Url {
    let mut url = url.clone();
    url.query_pairs_mut().append_pair("digest", digest.as_str());
    url
}

/// Whether the registry no longer knows the upload, or not where it stands.
fn is_lost(cause: &Cause) -> bool {
    let Cause::Answer(answer) = cause else { return false };
    let code = answer.code.as_deref();
    matches!(answer.status, 404 | 416) || matches!(code, Some("BLOB_UPLOAD_UNKNOWN" | "BLOB_UPLOAD_INVALID"))
}
