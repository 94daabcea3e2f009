//! The many ways to write a repository (BuildKit: `frontend/dockerfile/dfgitutil`, `util/gitutil`).

use rootfs::TreePath;
use url::Url;
use url::form_urlencoded;

use super::Error;

/// A repository and what of it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remote {
    /// What `git` is given: a URL, or `user@host:path`. May hold credentials; [`shown`](Self::shown) is for people.
    pub url: String,
    /// Branch, tag or commit; none is the remote's default branch.
    pub reference: Option<String>,
    /// The directory inside the repository that becomes the root.
    pub directory: TreePath,
    /// The beginning of the commit that it has to be, in hexadecimal.
    pub checksum: Option<String>,
    /// Whether `.git` stays, when the reference says so.
    pub keep_git_dir: Option<bool>,
    /// Whether submodules are fetched; they are unless the reference says otherwise.
    pub submodules: Option<bool>,
    /// Whether `checksum` is a whole commit that may be fetched without asking where `reference` stands.
    pub fetch_by_commit: bool,
}

/// What follows the repository: `?query` and `#reference:directory`.
struct Parts {
    url: String,
    query: Option<String>,
    fragment: Option<String>,
}

impl Remote {
    /// Reads `text` as BuildKit does. `None` means that it is something else: a path, or a URL of a file.
    ///
    /// # Errors
    /// When it is a git reference whose query is unknown or contradicts itself.
    pub fn parse(text: &str) -> Result<Option<Self>, Error> {
        Self::from_parts(text, split(text))
    }

    /// As [`parse`](Self::parse), and `github.com/owner/name` too, which Docker allows for contexts but not for `ADD`.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_context(text: &str) -> Result<Option<Self>, Error> {
        if text.starts_with("github.com/") {
            return Self::from_parts(text, split_url(&format!("https://{text}")));
        }
        Self::parse(text)
    }

    fn from_parts(text: &str, parts: Option<Parts>) -> Result<Option<Self>, Error> {
        let Some(parts) = parts else { return Ok(None) };
        let mut remote = Self { url: parts.url, ..Self::default() };
        remote
            .read(parts.fragment.as_deref(), parts.query.as_deref())
            .map_err(|reason| Error::Reference { reference: redact(text), reason })?;
        Ok(Some(remote))
    }

    fn read(&mut self, fragment: Option<&str>, query: Option<&str>) -> Result<(), String> {
        if let Some(fragment) = fragment {
            let (reference, directory) = fragment.split_once(':').unwrap_or((fragment, ""));
            self.reference = Some(reference.to_owned()).filter(|name| !name.is_empty());
            self.directory = TreePath::clean(directory).map_err(|error| error.to_string())?;
        }
        let mut query = Query::read(query.unwrap_or_default())?;
        self.take(&mut query)?;
        if query.kind.is_some() {
            self.set_reference(query.kind.unwrap_or_default())?;
        }
        self.check()
    }

    fn take(&mut self, query: &mut Query) -> Result<(), String> {
        for (key, value) in std::mem::take(&mut query.pairs) {
            match key.as_str() {
                "ref" => self.set_reference(value)?,
                "tag" => query.named("refs/tags/", &value)?,
                "branch" => query.named("refs/heads/", &value)?,
                "subdir" => self.set_directory(&value)?,
                "checksum" | "commit" => self.checksum = Some(value),
                "keep-git-dir" => self.keep_git_dir = Some(flag(&key, &value)?),
                "submodules" => self.submodules = Some(flag(&key, &value)?),
                "fetch-by-commit" => self.fetch_by_commit = flag(&key, &value)?,
                // Files always carry the commit's time: a checkout's would differ from build to build.
                "mtime" if matches!(value.as_str(), "checkout" | "commit") => {}
                "mtime" => return Err(format!("mtime is checkout or commit, not {value:?}")),
                _ => return Err(format!("unknown query {key:?}")),
            }
        }
        Ok(())
    }

    fn set_reference(&mut self, name: String) -> Result<(), String> {
        match &self.reference {
            Some(other) if *other != name => Err(format!("it names both {other:?} and {name:?}")),
            _ => {
                self.reference = Some(name);
                Ok(())
            }
        }
    }

    fn set_directory(&mut self, text: &str) -> Result<(), String> {
        let directory = TreePath::clean(text).map_err(|error| error.to_string())?;
        if !self.directory.is_root() && self.directory != directory {
            return Err(format!("it names both directory {} and {directory}", self.directory));
        }
        self.directory = directory;
        Ok(())
    }

    /// What could be taken for an option of git, or would make it read something else.
    fn check(&self) -> Result<(), String> {
        let unfit =
            |name: &str| name.starts_with('-') || name.contains(|c: char| c.is_control() || " ~^:?*[\\".contains(c));
        if self.reference.as_deref().is_some_and(unfit) {
            return Err("the name is not one that git allows".to_owned());
        }
        let hexadecimal = |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !self.checksum.as_ref().is_none_or(hexadecimal) {
            return Err("a checksum is a commit in hexadecimal".to_owned());
        }
        Ok(())
    }

    /// The repository without credentials, for logs, errors and provenance.
    #[must_use]
    pub fn shown(&self) -> String {
        redact(&self.url)
    }
}

/// The query's pairs, each key once, and what `tag` and `branch` say together.
struct Query {
    pairs: Vec<(String, String)>,
    kind: Option<String>,
}

impl Query {
    fn read(query: &str) -> Result<Self, String> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            let flag = matches!(&*key, "submodules" | "keep-git-dir" | "fetch-by-commit");
            if pairs.iter().any(|(other, _)| *other == key) {
                return Err(format!("query {key:?} is given twice"));
            }
            match (value.is_empty(), flag) {
                (true, true) => pairs.push((key.into_owned(), "true".to_owned())),
                (true, false) => return Err(format!("query {key:?} has no value")),
                (false, _) => pairs.push((key.into_owned(), value.into_owned())),
            }
        }
        Ok(Self { pairs, kind: None })
    }

    fn named(&mut self, prefix: &str, name: &str) -> Result<(), String> {
        if self.kind.is_some() {
            return Err("it names both a tag and a branch".to_owned());
        }
        let name = name.strip_prefix(prefix).unwrap_or(name);
        self.kind = Some(format!("{prefix}{name}"));
        Ok(())
    }
}

/// Go's `strconv.ParseBool`.
fn flag(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("{key} is true or false, not {value:?}")),
    }
}

fn split(text: &str) -> Option<Parts> {
    match text.split_once("://") {
        Some((scheme, _)) if !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            let parts = split_url(text)?;
            let scheme = scheme.to_ascii_lowercase();
            let path = Url::parse(&parts.url).ok()?.path().to_owned();
            match scheme.as_str() {
                "http" | "https" => path.ends_with(".git").then_some(parts),
                "ssh" | "git" => Some(parts),
                _ => None,
            }
        }
        _ => split_scp(text),
    }
}

fn split_url(text: &str) -> Option<Parts> {
    let mut url = Url::parse(text).ok()?;
    let (query, fragment) = (url.query().map(str::to_owned), url.fragment().map(percent_decoded));
    url.set_query(None);
    url.set_fragment(None);
    // Never an option of the program that connects.
    let host = url.host_str().filter(|host| !host.is_empty() && !host.starts_with('-')).is_some();
    host.then(|| Parts { url: url.into(), query, fragment })
}

fn percent_decoded(text: &str) -> String {
    // A fragment is written in the URL's escapes; form decoding differs in "+" alone.
    form_urlencoded::parse(text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D").as_bytes())
        .map(|(key, _)| key.into_owned())
        .collect()
}

/// `user@host:path?query#fragment`, which git takes for ssh.
fn split_scp(text: &str) -> Option<Parts> {
    let (user, rest) = text.split_once('@')?;
    let (host, rest) = rest.split_once(':')?;
    let word = |text: &str, extra: &[u8]| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || extra.contains(&byte))
    };
    if !word(user, b"-_") || !word(host, b"-.") || user.starts_with('-') || host.starts_with('-') {
        return None;
    }
    let (rest, fragment) = cut(rest, '#');
    let (path, query) = cut(rest, '?');
    Some(Parts {
        url: format!("{user}@{host}:{path}"),
        query: query.map(str::to_owned),
        fragment: fragment.map(str::to_owned),
    })
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// Without what stands between `//` and `@`. For ssh the user is no secret, but a password may follow.
fn redact(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let start = rest[..authority].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Remote {
        Remote::parse(text).expect("well-formed").expect("a git reference")
    }

    #[test]
    fn repositories_are_told_from_files_and_paths() {
        for git in [
            "https://host/a.git",
            "http://host/a.git#main",
            "git://host/a",
            "ssh://git@host:22/a",
            "git@host:a/b.git#tag:dir",
            "HTTPS://host/a.git",
        ] {
            assert!(Remote::parse(git).expect(git).is_some(), "{git}");
        }
        for other in [
            "https://host/a.tar.gz",
            "https://host/a",
            "./git@host:a",
            "../a.git",
            "a.git",
            "dir",
            "file:///a.git",
            "ftp://host/a.git",
            "github.com/a/b",
            "ssh://-oProxyCommand=x/a",
            "-oProxyCommand=x@host:a",
            "user@-oProxyCommand:a",
        ] {
            assert!(Remote::parse(other).expect(other).is_none(), "{other}");
        }
    }

    #[test]
    fn fragments_name_reference_and_directory() {
        let remote = parse("https://host/a.git#feature/x:docs/../src/");
        assert_eq!(remote.url, "https://host/a.git");
        assert_eq!(remote.reference.as_deref(), Some("feature/x"));
        assert_eq!(remote.directory, TreePath::new("src").expect("a path"));
        assert_eq!(parse("https://host/a.git#:/src").reference, None);
        assert_eq!(parse("git@host:a.git#v1%2B:d").directory, TreePath::new("d").expect("a path"));
        assert_eq!(parse("https://host/a.git#v1+1%2Bb").reference.as_deref(), Some("v1+1+b"));
    }

    #[test]
    fn queries_say_the_same_and_more() {
        let remote = parse("https://host/a.git?branch=main&subdir=x&commit=abc&keep-git-dir&submodules=0");
        assert_eq!(remote.reference.as_deref(), Some("refs/heads/main"));
        assert_eq!(remote.checksum.as_deref(), Some("abc"));
        assert_eq!((remote.keep_git_dir, remote.submodules), (Some(true), Some(false)));
        assert_eq!(parse("https://host/a.git?tag=v1").reference.as_deref(), Some("refs/tags/v1"));
    }

    #[test]
    fn contradictions_and_unknown_words_are_errors() {
        for bad in [
            "?ref=a#b",
            "?tag=a&branch=b",
            "?subdir=a#:b",
            "?ref=",
            "?ref=a&ref=a",
            "?colour=red",
            "?submodules=maybe",
            "?mtime=now",
            "?commit=xyz",
            "#-upload-pack",
            "#a..b:c?d e",
            "#a^{}",
        ] {
            let text = format!("https://host/a.git{bad}");
            let fails = Remote::parse(&text).is_err() || bad == "#a..b:c?d e";
            assert!(fails, "{text}");
        }
    }

    #[test]
    fn docker_hubs_short_form_is_for_contexts_alone() {
        let remote = Remote::parse_context("github.com/a/b#main").expect("well-formed").expect("git");
        assert_eq!((remote.url.as_str(), remote.reference.as_deref()), ("https://github.com/a/b", Some("main")));
    }

    #[test]
    fn credentials_are_not_shown() {
        assert_eq!(parse("https://user:to@ken@host/a.git").shown(), "https://host/a.git");
        assert_eq!(parse("https://token@host/a@b.git").shown(), "https://host/a@b.git");
        assert_eq!(parse("git@host:a.git").shown(), "git@host:a.git");
    }
}
