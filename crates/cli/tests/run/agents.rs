//! SSH agents: the user's own and ours with keys from files, asked by OpenSSH's own programs inside a RUN.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::tools::{find, require, run};

use crate::levels::ordinary;
use crate::secrets::holds_text;
use crate::support::Ground;

/// OpenSSH's programs and the libraries they need, as a context called `tools`.
fn tools(ground: &Ground) -> Option<String> {
    let root = ground.environment().path("tools");
    for name in ["ssh-add", "ssh-keygen"] {
        let program = require(name)?.path().to_owned();
        let libraries = run(Command::new("ldd").arg(&program)).text();
        let paths = libraries.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
        for path in paths.chain([program]) {
            let to = root.join(path.strip_prefix("/").expect("it is absolute"));
            fs::create_dir_all(to.parent().expect("a directory")).expect("ours");
            fs::copy(&path, to).expect("a copy");
        }
    }
    Some(format!("--build-context=tools={}", root.display()))
}

/// A new key in a file; `options` are `ssh-keygen`'s.
fn new_key(dir: &Path, name: &str, options: &[&str]) -> PathBuf {
    fs::create_dir_all(dir).expect("ours");
    let path = dir.join(name);
    let mut command = find("ssh-keygen").expect("it was there").command();
    run(command.args(["-q", "-N", "", "-C", name, "-f"]).arg(&path).args(options));
    path
}

/// What asks an agent in a step: names, signs with every key and checks that, tries what is not allowed.
fn step(check: &str) -> String {
    format!(
        "FROM base\nCOPY --from=tools / /\nRUN --mount=type=ssh <<END\nset -e\nssh-add -L > /keys\n{check}\n\
         ! ssh-add -D 2>/dev/null\n! ssh-add -x </dev/null 2>/dev/null\n\
         while read -r key; do\n  echo \"$key\" > /key.pub\n  echo content > /file\n  rm -f /file.sig\n\
         ssh-keygen -Y sign -f /key.pub -n test /file\n  echo \"me $key\" > /signers\n\
         ssh-keygen -Y verify -f /signers -I me -n test -s /file.sig < /file\ndone < /keys\nEND\n"
    )
}

#[test]
fn keys_from_files_sign_in_a_step_and_stay_outside() {
    let Some(ground) = Ground::new() else { return };
    let Some(tools) = tools(&ground) else { return };
    let dir = ground.environment().path("keys");
    let kinds: [&[&str]; 10] = [
        &["-t", "ed25519"],
        &["-t", "rsa", "-b", "2048"],
        &["-t", "rsa", "-b", "3072", "-m", "PEM"],
        &["-t", "rsa", "-b", "4096", "-m", "PKCS8"],
        &["-t", "ecdsa", "-b", "256"],
        &["-t", "ecdsa", "-b", "384"],
        &["-t", "ecdsa", "-b", "521"],
        &["-t", "ecdsa", "-b", "256", "-m", "PEM"],
        &["-t", "ecdsa", "-b", "384", "-m", "PKCS8"],
        &["-t", "ecdsa", "-b", "521", "-m", "PKCS8"],
    ];
    let keys: Vec<PathBuf> = kinds.iter().enumerate().map(|(n, kind)| new_key(&dir, &format!("k{n}"), kind)).collect();
    let listed: Vec<String> = keys.iter().map(|key| key.display().to_string()).collect();
    let flag = format!("--ssh=default={}", listed.join(","));
    let ended = ground.build(&step("test $(wc -l < /keys) = 10"), &[&tools, &flag]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("Good \"test\" signature").count(), 10, "{}", ended.stderr);
    for key in &keys {
        let text = fs::read_to_string(key).expect("ours");
        // Over a line's end, as no public key has it.
        let lines: Vec<&str> = text.lines().skip(1).take(2).collect();
        let inside = lines.join("\n");
        assert!(!holds_text(&ground.environment().store(), &inside), "{} is in the store", key.display());
    }
    ground.is_clean();
}

#[test]
fn an_ordinary_users_step_is_lent_keys_too() {
    for level in ["subuid", "single-id"] {
        let Some(ground) = Ground::new() else { return };
        let Some(tools) = tools(&ground) else { return };
        let key = new_key(&ground.environment().path("keys"), "key", &["-t", "ed25519"]);
        let (flag, isolation) = (format!("--ssh={}={}", "default", key.display()), format!("--isolation={level}"));
        let step = step("test $(wc -l < /keys) = 1").replace("type=ssh", "type=ssh,required,uid=1000,mode=0666");
        let arguments = ground.arguments(&step, &[&tools, &flag, &isolation]);
        let ended = ordinary(&ground, level, &arguments);
        assert_eq!(ended.code, Some(0), "{level}: {}", ended.stderr);
        assert!(ended.stderr.contains("Good \"test\" signature"), "{level}: {}", ended.stderr);
    }
}

/// The user's agent signs, and has all its keys afterwards.
#[test]
fn the_users_agent_signs_and_loses_nothing() {
    let Some(ground) = Ground::new() else { return };
    let (Some(tools), Some(_)) = (tools(&ground), require("ssh-agent")) else { return };
    let key = new_key(&ground.environment().path("keys"), "mine", &["-t", "ed25519"]);
    let socket = ground.environment().path("agent");
    let agent = find("ssh-agent").expect("it").command().arg("-D").arg("-a").arg(&socket).spawn();
    let mut agent = agent.expect("it starts");
    // It is there a moment before anybody listens.
    while UnixStream::connect(&socket).is_err() {
        std::thread::yield_now();
    }
    let add = |arguments: &[&str]| {
        let mut command = find("ssh-add").expect("it").command();
        run(command.env("SSH_AUTH_SOCK", &socket).args(arguments)).text()
    };
    add(&[&key.display().to_string()]);
    let before = add(&["-L"]);
    let said = ground.build(&step("grep -q mine /keys"), &[&tools, &format!("--ssh=default={}", socket.display())]);
    let after = add(&["-L"]);
    agent.kill().expect("ours");
    agent.wait().expect("ours");
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stderr.contains("Good \"test\" signature"), "{}", said.stderr);
    assert_eq!(after, before);
    ground.is_clean();
}

#[test]
fn keys_that_cannot_be_used_are_refused_before_anything_runs() {
    let Some(ground) = Ground::new() else { return };
    if require("ssh-keygen").is_none() {
        return;
    }
    let dir = ground.environment().path("keys");
    let locked = new_key(&dir, "locked", &["-t", "ed25519"]);
    run(find("ssh-keygen").expect("it").command().args(["-q", "-p", "-N", "secret", "-f"]).arg(&locked));
    let old = new_key(&dir, "old", &["-t", "rsa", "-b", "1024"]);
    for (path, word) in [
        (locked.clone(), "has a passphrase"),
        (old, "of a kind that cannot be used"),
        (locked.with_extension("pub"), "neither the socket of an agent nor a private key"),
    ] {
        let ended = ground.build("FROM base\nRUN true\n", &[&format!("--ssh=default={}", path.display())]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(word) && !ended.stderr.contains("prepare a sandbox"), "{}", ended.stderr);
    }
}

#[test]
fn an_agent_is_there_for_the_step_that_asks() {
    let Some(ground) = Ground::new() else { return };
    let socket = ground.environment().path("agent");
    let agent = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let flag = format!("--ssh=default={}", socket.display());
    let said = ground.prints("--mount=type=ssh", "test -S $SSH_AUTH_SOCK && echo is a socket", &[&flag]);
    assert_eq!(said, "is a socket\n");
    drop(agent);
    let said = ground.fails("FROM base\nRUN --mount=type=ssh,required true\n", &["--no-cache"]);
    assert!(said.contains("ssh agent default: not found"), "{said}");
}
