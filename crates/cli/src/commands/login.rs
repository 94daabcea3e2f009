//! `shipsmith login` and `shipsmith logout`.

use std::io::{self, Read};

use registry::{Secret, Stored};

use super::prompt::{ask, ask_hidden};
use super::runtime::block_on;
use super::{client, output::print_line};
use crate::args::{LoginArgs, LogoutArgs};
use crate::failure::{Exit, Failure};

const DOCKER_HUB: &str = "docker.io";
/// A password that is longer is none.
const MAX_PASSWORD: u64 = 1 << 20;

/// Asks for what was not given, tries it, keeps it.
pub(super) fn login(args: &LoginArgs) -> Result<(), Failure> {
    let host = args.registry.as_deref().unwrap_or(DOCKER_HUB);
    let username = match &args.username {
        Some(name) => name.clone(),
        None => ask("username").ok_or_else(|| {
            Failure::new(Exit::Usage, "there is no username").with_hint(Some("give --username".into()))
        })?,
    };
    let password = password(args)?;
    let stored = block_on(async { Ok(client()?.login(host, &username, Secret::new(password)).await?) })?;
    print_line(&match stored {
        Stored::File(path) => format!("logged in to {host}; the password is in {}, not encrypted", path.display()),
        Stored::Helper(name) => format!("logged in to {host}; the password is with docker-credential-{name}"),
    })
}

/// The flag's, standard input's, or what a person types.
fn password(args: &LoginArgs) -> Result<String, Failure> {
    if let Some(password) = &args.password {
        return Ok(password.clone());
    }
    if args.password_stdin {
        return from_stdin();
    }
    ask_hidden("password").ok_or_else(|| {
        let hint = "printf %s \"$PASSWORD\" | shipsmith login --username NAME --password-stdin REGISTRY";
        Failure::new(Exit::Usage, "there is no password").with_hint(Some(hint.into()))
    })
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    let read = io::stdin().lock().take(MAX_PASSWORD).read_to_string(&mut text);
    read.map_err(|error| Failure::new(Exit::Usage, format!("cannot read the password from standard input: {error}")))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Forgets what login kept.
pub(super) fn logout(args: &LogoutArgs) -> Result<(), Failure> {
    let host = args.registry.as_deref().unwrap_or(DOCKER_HUB);
    let known = block_on(async { Ok(client()?.logout(host).await?) })?;
    print_line(&match known {
        true => format!("forgot the credential for {host}"),
        false => format!("there was no credential for {host}"),
    })
}
