//! `--secret` and `--ssh`: what RUN may be lent.

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use engine::SecretSource;

use super::{RequestError, Surroundings, csv, suggest};

const SECRET: &str = "--secret";
const SSH: &str = "--ssh";
/// Where a user's own agent is found.
const AGENT: &str = "SSH_AUTH_SOCK";
const KEYS: &[&str] = &["id", "src", "env", "type"];

/// `--secret id=ID[,src=FILE][,env=NAME][,type=file|env]`, each id once.
pub(super) fn secrets(
    texts: &[String],
    around: &dyn Surroundings,
) -> Result<BTreeMap<String, SecretSource>, RequestError> {
    let mut secrets = BTreeMap::new();
    for text in texts.iter().filter(|text| !text.is_empty()) {
        let (id, source) = secret(text, around)?;
        if let SecretSource::File(path) = &source {
            readable(text, path)?;
        }
        if secrets.insert(id.clone(), source).is_some() {
            return Err(RequestError::invalid(SECRET, text, format!("the secret {id} is given twice")));
        }
    }
    Ok(secrets)
}

/// One secret. Without a source it is the variable of its name if there is one, else the file of its name, as with buildx.
fn secret(text: &str, around: &dyn Surroundings) -> Result<(String, SecretSource), RequestError> {
    let bad = |reason: String| RequestError::invalid(SECRET, text, reason);
    let (mut id, mut file, mut variable, mut kind) = (None, None, None, None);
    for (key, value) in csv::pairs(SECRET, text)? {
        match key.as_str() {
            "id" => id = Some(value),
            "src" | "source" => file = Some(value),
            "env" => variable = Some(value),
            "type" if matches!(value.as_str(), "file" | "env") => kind = Some(value),
            "type" => return Err(bad(format!("unknown type {value:?}")).or_hint("type=file or type=env")),
            other => return Err(bad(format!("unknown key {other:?}")).or_hint(suggest::hint(other, KEYS))),
        }
    }
    let id = id.filter(|id| !id.is_empty());
    let id =
        id.ok_or_else(|| bad("there is no id= in it".into()).or_hint("id=NAME,src=FILE or id=NAME,env=VARIABLE"))?;
    if kind.as_deref() == Some("env") && variable.is_none() {
        variable = file.take();
    }
    let source = match (variable, file) {
        (Some(_), Some(_)) => return Err(bad("it has both src= and env=".into()).or_hint("leave one of them out")),
        (Some(name), None) => SecretSource::Variable(name),
        (None, Some(path)) => SecretSource::File(path.into()),
        (None, None) if around.variable(&id).is_some() => SecretSource::Variable(id.clone()),
        (None, None) => SecretSource::File(PathBuf::from(&id)),
    };
    Ok((id, source))
}

fn readable(text: &str, path: &Path) -> Result<(), RequestError> {
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => {
            Err(RequestError::invalid(SECRET, text, format!("{} is a directory", path.display())))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(RequestError::invalid(SECRET, text, format!("cannot read {}: {error}", path.display()))
            .or_hint("src=FILE names a file, env=VARIABLE a variable of the environment")),
    }
}

/// `--ssh default|ID[=SOCKET]`: sockets of agents, by id.
pub(super) fn agents(texts: &[String], around: &dyn Surroundings) -> Result<BTreeMap<String, PathBuf>, RequestError> {
    let mut agents = BTreeMap::new();
    for text in texts.iter().filter(|text| !text.is_empty()) {
        let (id, path) = agent(text, around)?;
        if agents.insert(id.clone(), path).is_some() {
            return Err(RequestError::invalid(SSH, text, format!("the agent {id} is given twice")));
        }
    }
    Ok(agents)
}

fn agent(text: &str, around: &dyn Surroundings) -> Result<(String, PathBuf), RequestError> {
    let (id, paths) = text.split_once('=').unwrap_or((text, ""));
    let path = match paths {
        "" => around.variable(AGENT).filter(|path| !path.is_empty()).ok_or_else(|| {
            RequestError::invalid(SSH, text, format!("{AGENT} is not set"))
                .or_hint("start an agent (eval $(ssh-agent); ssh-add), or name its socket: --ssh default=SOCKET")
        })?,
        path => path.to_owned(),
    };
    let path = PathBuf::from(path);
    match path.metadata() {
        Ok(metadata) if metadata.file_type().is_socket() => Ok((id.to_owned(), path)),
        Ok(_) => Err(RequestError::unsupported(
            "--ssh with a key file",
            "keys are held by an agent, never by the build",
            "add the key to an agent with ssh-add, and give --ssh default",
        )),
        Err(error) => Err(RequestError::invalid(SSH, text, format!("cannot read {}: {error}", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::super::tests::Place;
    use super::*;

    fn around() -> Place {
        Place { variables: vec![("TOKEN", "x")], ..Place::default() }
    }

    #[test]
    fn secrets_in_all_forms() {
        let file = SecretSource::File("/dev/null".into());
        let variable = SecretSource::Variable("TOKEN".into());
        for (text, id, source) in [
            ("id=a,src=/dev/null", "a", &file),
            ("id=a,source=/dev/null,type=file", "a", &file),
            ("id=a,env=TOKEN", "a", &variable),
            ("type=env,id=a,src=TOKEN", "a", &variable),
            ("id=TOKEN", "TOKEN", &variable),
            ("id=/dev/null", "/dev/null", &file),
        ] {
            let found = secrets(&[text.to_owned()], &around()).unwrap();
            assert_eq!(found.iter().collect::<Vec<_>>(), [(&id.to_owned(), source)], "{text}");
        }
    }

    #[test]
    fn secrets_that_are_none() {
        let refused = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|&text| text.into()).collect();
            secrets(&texts, &around()).unwrap_err().to_string()
        };
        assert!(refused(&["src=/dev/null"]).contains("there is no id="));
        assert!(refused(&["id=a,scr=b"]).contains("unknown key"));
        assert!(refused(&["id=a,src=b,env=c"]).contains("both"));
        assert!(refused(&["id=a,src=/nowhere"]).contains("cannot read /nowhere"));
        assert!(refused(&["id=a,src=/"]).contains("is a directory"));
        assert!(refused(&["id=a,env=A", "id=a,env=B"]).contains("given twice"));
    }

    #[test]
    fn agents_are_sockets() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("agent");
        let _listener = UnixListener::bind(&socket).unwrap();
        let text = format!("mine={}", socket.display());
        assert_eq!(agents(&[text], &around()).unwrap(), [("mine".to_owned(), socket)].into());
        let refused = |text: &str| agents(&[text.to_owned()], &around()).unwrap_err();
        assert!(refused("default").to_string().contains("SSH_AUTH_SOCK is not set"));
        assert!(refused("default=/dev/null").hint().unwrap().contains("ssh-add"));
        assert!(refused("default=/nowhere").to_string().contains("cannot read"));
    }
}
