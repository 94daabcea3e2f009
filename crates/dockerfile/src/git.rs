//! Git repositories as BuildKit writes them in one word (its `frontend/dockerfile/dfgitutil` and `util/gitutil`).

use std::collections::BTreeMap;

/// A git repository, and what of it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GitSource {
    /// What git is given: a URL or `user@host:path`, without a fragment or a query. May hold credentials;
    /// [`shown`](Self::shown) is for people.
    pub remote: String,
    /// Branch, tag, full reference or commit; the remote's HEAD when `None`.
    pub reference: Option<String>,
    /// The directory of the repository that is wanted, relative; all of it when `None`.
    pub subdirectory: Option<String>,
    /// The commit (or a prefix of it) that the reference must be.
    pub checksum: Option<String>,
    /// Whether `.git` is kept; `None` when not said.
    pub keep_git_dir: Option<bool>,
    /// Whether submodules are fetched; `None` when not said, which means yes.
    pub submodules: Option<bool>,
    /// Whether files get the commit's time instead of the checkout's.
    pub commit_time: bool,
    /// Whether the checksum's commit is fetched directly, without comparing it with the reference.
    pub fetch_by_commit: bool,
}

impl GitSource {
    /// Reads a git remote as BuildKit's frontend does: `https://host/path.git#ref:dir` (only with `.git` for http),
    /// `git://`, `ssh://`, `user@host:path`, each with `?ref=..&subdir=..` and others.
    ///
    /// `None` when the text is no git remote at all; an error when it is one with a bad query.
    pub fn parse(text: &str) -> Option<Result<Self, String>> {
        if text.starts_with("./") || text.starts_with("../") {
            return None;
        }
        Parts::of(text).map(Self::read)
    }

    /// As [`parse`](Self::parse), and `github.com/owner/name` too, which Docker allows for contexts but not for ADD.
    pub fn parse_context(text: &str) -> Option<Result<Self, String>> {
        if text.starts_with("github.com/") {
            return Some(Self::read(Parts::cut(&format!("https://{text}"))));
        }
        Self::parse(text)
    }

    /// The repository without credentials, for logs, errors and provenance.
    #[must_use]
    pub fn shown(&self) -> String {
        without_credentials(&self.remote)
    }

    fn read(parts: Parts) -> Result<Self, String> {
        let mut source = Self { remote: parts.remote, ..Self::default() };
        let (reference, directory) = parts.fragment.split_once(':').unwrap_or((&parts.fragment, ""));
        source.reference = some(reference);
        source.subdirectory = some(crate::ignore::clean(&format!("/{directory}")).trim_start_matches('/'));
        source.load_query(&parts.query)?;
        source.check()?;
        Ok(source)
    }

    /// Refuses a name that could be taken for an option of git, or would make it read something else.
    fn check(&self) -> Result<(), String> {
        let unfit =
            |name: &str| name.starts_with('-') || name.contains(|c: char| c.is_control() || " ~^:?*[\\".contains(c));
        match &self.reference {
            Some(name) if unfit(name) => Err(format!("git allows no reference {name:?}")),
            _ => Ok(()),
        }
    }

    fn load_query(&mut self, query: &str) -> Result<(), String> {
        let mut references = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (decode(key), decode(value));
            if value.is_empty() && !matches!(key.as_str(), "submodules" | "keep-git-dir" | "fetch-by-commit") {
                return Err(format!("query {key:?} has no value"));
            }
            match key.as_str() {
                "ref" | "tag" | "branch" => {
                    if references.insert(key.clone(), value).is_some() {
                        return Err(format!("query {key:?} has multiple values"));
                    }
                }
                _ => self.load_option(&key, &value)?,
            }
        }
        self.load_references(&references)
    }

    fn load_option(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "subdir" => settle(&mut self.subdirectory, "subdir", value.to_owned())?,
            "checksum" | "commit" => self.checksum = some(value),
            "keep-git-dir" => self.keep_git_dir = Some(flag(key, value)?),
            "submodules" => self.submodules = Some(flag(key, value)?),
            "fetch-by-commit" => self.fetch_by_commit = flag(key, value)?,
            "mtime" if value == "checkout" || value == "commit" => self.commit_time = value == "commit",
            "mtime" => return Err(format!("invalid mtime value: {value:?} (must be \"checkout\" or \"commit\")")),
            _ => return Err(format!("unexpected query {key:?}")),
        }
        Ok(())
    }

    fn load_references(&mut self, named: &BTreeMap<String, String>) -> Result<(), String> {
        if named.contains_key("tag") && named.contains_key("branch") {
            return Err("branch conflicts with tag".to_owned());
        }
        for (key, prefix) in [("ref", ""), ("tag", "refs/tags/"), ("branch", "refs/heads/")] {
            if let Some(value) = named.get(key) {
                let short = value.strip_prefix(prefix).unwrap_or(value);
                settle(&mut self.reference, "ref", format!("{prefix}{short}"))?;
            }
        }
        Ok(())
    }
}

/// A remote's pieces.
struct Parts {
    remote: String,
    query: String,
    fragment: String,
}

impl Parts {
    fn of(text: &str) -> Option<Self> {
        let mut parts = Self::cut(text);
        let git = match parts.remote.split_once("://") {
            Some((scheme, tail)) if scheme.chars().all(|char| char.is_ascii_alphanumeric()) && !scheme.is_empty() => {
                parts.fragment = decode_path(&parts.fragment);
                is_git_url(&scheme.to_ascii_lowercase(), tail)
            }
            _ => is_scp_style(&parts.remote),
        };
        git.then_some(parts)
    }

    fn cut(text: &str) -> Self {
        let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (remote, query) = rest.split_once('?').unwrap_or((rest, ""));
        Self { remote: remote.to_owned(), query: query.to_owned(), fragment: fragment.to_owned() }
    }
}

fn is_git_url(scheme: &str, tail: &str) -> bool {
    let authority = tail.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    // Never an option of the program that connects.
    if host.is_empty() || host.starts_with('-') {
        return false;
    }
    match scheme {
        "http" | "https" => tail.split_once('/').is_some_and(|(_, path)| path.ends_with(".git")),
        "git" | "ssh" => true,
        _ => false,
    }
}

/// `user@host:path`.
fn is_scp_style(remote: &str) -> bool {
    let Some((user, rest)) = remote.split_once('@') else { return false };
    let Some((host, _)) = rest.split_once(':') else { return false };
    let word = |text: &str, extra: &[char]| {
        !text.is_empty()
            && !text.starts_with('-')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(&c))
    };
    word(user, &['-', '_']) && word(host, &['-', '.'])
}

/// Without what stands between `//` and `@`: for ssh the user is no secret, but a password may follow.
pub fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let start = rest[..authority].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[start..])
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Sets what is unset; refuses to change what is set.
fn settle(place: &mut Option<String>, name: &str, value: String) -> Result<(), String> {
    match place {
        Some(old) if *old != value => Err(format!("{name} conflicts: {old:?} vs {value:?}")),
        _ => {
            *place = Some(value);
            Ok(())
        }
    }
}

fn flag(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "" | "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("invalid {key} value: {value:?}")),
    }
}

fn decode(text: &str) -> String {
    decode_path(&text.replace('+', " "))
}

/// Undoes percent-encoding; what is not an encoding stays.
pub fn decode_path(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let encoded = (byte == b'%').then(|| hex(ahead.next()).zip(hex(ahead.next()))).flatten();
        match encoded {
            Some((high, low)) => {
                out.push(high * 16 + low);
                bytes = ahead;
            }
            None => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(byte: Option<u8>) -> Option<u8> {
    char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::GitSource;

    fn parsed(text: &str) -> Result<GitSource, String> {
        GitSource::parse(text).expect("a git remote")
    }

    #[test]
    fn tells_git_from_other_words() {
        for text in [
            "https://example.com/a/b.git",
            "http://h/x.git#v1",
            "git://h/x",
            "ssh://git@h/x",
            "git@h:x",
            "git@h:x.git#b:d",
            "user@host.name:path?branch=b",
        ] {
            assert!(GitSource::parse(text).is_some(), "{text}");
        }
        for text in [
            "https://example.com/a/b",
            "https://h/x.tar#y.git",
            "a/b.git",
            "./git@h:x",
            "ftp://h/x.git",
            "a b@h:x",
            "@h:x",
            "git@:x",
            "plain",
            "https://h.git",
            "https:///x.git",
            "github.com/a/b",
            "ssh://-oProxyCommand=x/a",
            "ssh://user@-oProxyCommand=x/a",
            "-oProxyCommand=x@host:a",
            "user@-oProxyCommand:a",
        ] {
            assert!(GitSource::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn reads_fragments_and_queries() {
        let source = parsed("https://h/x.git#main:sub/../dir").expect("fine");
        assert_eq!(source.remote, "https://h/x.git");
        assert_eq!(source.reference.as_deref(), Some("main"));
        assert_eq!(source.subdirectory.as_deref(), Some("dir"));
        let source = parsed("git@h:x?tag=v1&subdir=a&commit=abc&keep-git-dir&submodules=0&mtime=commit").expect("fine");
        assert_eq!(source.reference.as_deref(), Some("refs/tags/v1"));
        assert_eq!((source.subdirectory.as_deref(), source.checksum.as_deref()), (Some("a"), Some("abc")));
        assert_eq!((source.keep_git_dir, source.submodules, source.commit_time), (Some(true), Some(false), true));
    }

    #[test]
    fn fragments_of_urls_alone_are_encoded() {
        assert_eq!(parsed("https://h/a.git#v1+1%2Bb").expect("fine").reference.as_deref(), Some("v1+1+b"));
        assert_eq!(parsed("git@h:a.git#v1%2Bb").expect("fine").reference.as_deref(), Some("v1%2Bb"));
    }

    #[test]
    fn refuses_references_that_git_would_misread() {
        for reference in ["-upload-pack", "a^{}", "a~1", "a b", "a*"] {
            let error = parsed(&format!("git://h/x#{reference}")).expect_err(reference);
            assert_eq!(error, format!("git allows no reference {reference:?}"));
        }
    }

    #[test]
    fn the_short_form_of_github_is_for_contexts_alone() {
        let source = GitSource::parse_context("github.com/a/b#main:dir").expect("a git remote").expect("fine");
        assert_eq!((source.remote.as_str(), source.reference.as_deref()), ("https://github.com/a/b", Some("main")));
        assert_eq!(source.subdirectory.as_deref(), Some("dir"));
    }

    #[test]
    fn credentials_are_not_shown() {
        for (text, shown) in [
            ("https://user:to@ken@host/a.git", "https://host/a.git"),
            ("https://token@host/a@b.git", "https://host/a@b.git"),
            ("git@host:a.git", "git@host:a.git"),
        ] {
            assert_eq!(parsed(text).expect("fine").shown(), shown);
        }
    }

    #[test]
    fn refuses_bad_queries() {
        for (query, message) in [
            ("ref", "query \"ref\" has no value"),
            ("x=y", "unexpected query \"x\""),
            ("tag=a&branch=b", "branch conflicts with tag"),
            ("tag=a&tag=b", "query \"tag\" has multiple values"),
            ("ref=a&tag=b", "ref conflicts: \"a\" vs \"refs/tags/b\""),
            ("submodules=maybe", "invalid submodules value: \"maybe\""),
        ] {
            assert_eq!(parsed(&format!("git://h/x?{query}")), Err(message.to_owned()));
        }
        assert_eq!(parsed("git://h/x?ref=b#a"), Err("ref conflicts: \"a\" vs \"b\"".to_owned()));
    }
}
