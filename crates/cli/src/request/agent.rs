//! `--ssh`: agents that RUN may be lent.

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{Agent, AgentKey};

use super::{RequestError, Surroundings};

const SSH: &str = "--ssh";
/// Where a user's own agent is found.
const AGENT: &str = "SSH_AUTH_SOCK";

/// `--ssh default|ID[=SOCKET|KEY[,KEY...]]`, by id.
pub(super) fn agents(texts: &[String], around: &dyn Surroundings) -> Result<BTreeMap<String, Agent>, RequestError> {
    let mut agents = BTreeMap::new();
    for text in texts.iter().filter(|text| !text.is_empty()) {
        let (id, paths) = text.split_once('=').unwrap_or((text, ""));
        if agents.insert(id.to_owned(), agent(text, paths, around)?).is_some() {
            return Err(RequestError::invalid(SSH, text, format!("the agent {id} is given twice")));
        }
    }
    Ok(agents)
}

fn agent(text: &str, paths: &str, around: &dyn Surroundings) -> Result<Agent, RequestError> {
    let paths: Vec<PathBuf> = match paths {
        "" => vec![users_own(text, around)?],
        paths => paths.split(',').map(PathBuf::from).collect(),
    };
    let is_socket = |path: &Path| match path.metadata() {
        Ok(metadata) => Ok(metadata.file_type().is_socket()),
        Err(error) => Err(RequestError::invalid(SSH, text, format!("cannot read {}: {error}", path.display()))),
    };
    let sockets = paths.iter().map(|path| is_socket(path)).collect::<Result<Vec<_>, _>>()?;
    match &paths[..] {
        [only] if sockets == [true] => Ok(Agent::Socket(only.clone())),
        _ if sockets.contains(&true) => {
            Err(RequestError::invalid(SSH, text, "a socket stands alone: an agent is one socket, or keys")
                .or_hint("give each an id of its own: --ssh a=SOCKET --ssh b=KEY,KEY"))
        }
        keys => keys.iter().map(|path| key(text, path)).collect::<Result<Arc<[_]>, _>>().map(Agent::Keys),
    }
}

fn users_own(text: &str, around: &dyn Surroundings) -> Result<PathBuf, RequestError> {
    let socket = around.variable(AGENT).filter(|path| !path.is_empty()).map(PathBuf::from);
    socket.ok_or_else(|| {
        RequestError::invalid(SSH, text, format!("{AGENT} is not set"))
            .or_hint("start an agent (eval $(ssh-agent); ssh-add), or name a key: --ssh default=KEY")
    })
}

fn key(text: &str, path: &Path) -> Result<AgentKey, RequestError> {
    AgentKey::read(path).map_err(|error| {
        let refused = RequestError::invalid(SSH, text, error.to_string());
        error.hint().into_iter().fold(refused, RequestError::or_hint)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::super::tests::Place;
    use super::*;

    fn found(text: &str) -> Result<BTreeMap<String, Agent>, RequestError> {
        agents(&[text.to_owned()], &Place::default())
    }

    #[test]
    fn an_agent_is_one_socket() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("agent");
        let _listener = UnixListener::bind(&socket).unwrap();
        let agents = found(&format!("mine={}", socket.display())).unwrap();
        assert!(matches!(&agents["mine"], Agent::Socket(path) if *path == socket));
        let two = found(&format!("a={0},{0}", socket.display())).unwrap_err();
        assert!(two.to_string().contains("stands alone"), "{two}");
    }

    #[test]
    fn what_is_no_agent_is_refused() {
        assert!(found("default").unwrap_err().to_string().contains("SSH_AUTH_SOCK is not set"));
        assert!(found("default=/dev/null").unwrap_err().to_string().contains("nor a private key"));
        assert!(found("default=/nowhere").unwrap_err().to_string().contains("cannot read"));
        assert!(found("default=/").unwrap_err().to_string().contains("cannot read"));
    }
}
