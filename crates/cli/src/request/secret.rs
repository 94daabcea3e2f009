//! `--secret`: what RUN may be lent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::SecretSource;

use super::{RequestError, Surroundings, csv, suggest};

const SECRET: &str = "--secret";
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

#[cfg(test)]
mod tests {
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
}
