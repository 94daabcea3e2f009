//! RUN.

use dockerfile::{CommandLine, Heredoc, Instruction, Network, Run};

use super::mounts::MASK;
use super::stage::StageBuild;
use super::stages::Command;
use super::variables::Variables;
use crate::error::Problem;
use crate::{ErrorKind, InlineFile, Input, Mount, MountKind, Op, RunOp, RunPolicy, Skipped};

/// Where a heredoc with a shebang is put.
const SCRIPTS: &str = "/dev/pipes/";

/// Proxy variables, each known in both cases.
const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

impl StageBuild<'_, '_> {
    pub(super) fn run(&mut self, command: &Command<'_>, run: &Run) -> Result<(), Problem> {
        match self.planner.request.run {
            RunPolicy::Execute => self.execute(command, run),
            RunPolicy::Refuse => Err(Problem::new(self.line, ErrorKind::RunRefused)),
            RunPolicy::Skip => {
                let text = command.instruction.text.clone();
                self.planner.skipped.push(Skipped { text, span: Some(self.line) });
                Ok(())
            }
        }
    }

    fn execute(&mut self, command: &Command<'_>, run: &Run) -> Result<(), Problem> {
        let (mut mounts, masked) = self.mounts(command, run)?;
        let script = Script::of(run);
        mounts.splice(0..0, script.mount);
        let args = match script.command {
            ScriptCommand::Words(words) => words,
            ScriptCommand::Text(text) => self.with_shell(&text),
        };
        let history = format!("RUN {}{} # buildkit", self.declared_arguments(), args.join(" "));
        let text = self.run_label(&command.instruction, run, &masked);
        let op = self.run_op(args, mounts, run);
        let id = self.step(Op::Run(Box::new(op)), &text);
        self.commit(history, Some(id));
        Ok(())
    }

    fn run_op(&mut self, args: Vec<String>, mounts: Vec<Mount>, run: &Run) -> RunOp {
        let request = self.planner.request;
        let hostname =
            request.hostname.clone().or_else(|| request.build_arg("BUILDKIT_SANDBOX_HOSTNAME").map(str::to_owned));
        RunOp {
            parent: self.parent(),
            args,
            env: self.state.variables.pairs().to_vec(),
            proxy: proxies(
                request.build_args.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?))),
            ),
            directory: self.state.directory.clone(),
            user: self.state.image.config.user.clone(),
            mounts,
            network: if run.network == Network::Default { request.network } else { run.network },
            security: run.security,
            hostname,
            extra_hosts: request.extra_hosts.clone(),
            shm_size: request.shm_size,
            ulimits: request.ulimits.clone(),
            cgroup_parent: request.cgroup_parent.clone(),
            platform: self.state.platform.clone(),
            devices: run.devices.clone(),
        }
    }

    /// `|2 a=1 b=2 `: the declared arguments with the values in force, each once where it was first declared.
    fn declared_arguments(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in &self.state.arguments {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        if names.is_empty() {
            return String::new();
        }
        let words: Vec<String> = names.iter().map(|name| format!("{name}={} ", self.argument_value(name))).collect();
        format!("|{} {}", words.len(), words.concat())
    }

    fn argument_value(&self, name: &str) -> String {
        let in_force = dockerfile::expand::Environment::get(&self.state.variables, name);
        let last = || self.state.arguments.iter().rev().find(|(known, _)| known == name)?.1.as_deref();
        in_force.or_else(last).unwrap_or("").to_owned()
    }

    /// The instruction with variables expanded, secrets masked, and the start of a heredoc shown.
    fn run_label(&self, instruction: &Instruction, run: &Run, masked: &[String]) -> String {
        let mut variables: Variables = self.state.variables.clone();
        for name in masked {
            variables.set(name, MASK);
        }
        let mut text = instruction.text.clone();
        if let Some(heredoc) = single_heredoc(run) {
            text.push_str(&format!(" ({})", summary(&heredoc.content)));
        }
        self.planner.expander.keep_quotes().keep_unset().label(&text, &variables)
    }
}

/// What a RUN's command line comes to once its heredocs are in place.
struct Script {
    command: ScriptCommand,
    mount: Option<Mount>,
}

enum ScriptCommand {
    Words(Vec<String>),
    /// Text for the shell.
    Text(String),
}

impl Script {
    fn of(run: &Run) -> Self {
        let text = match &run.command {
            CommandLine::Exec(words) => {
                let words = words.iter().map(|word| word.raw.clone()).collect();
                return Self { command: ScriptCommand::Words(words), mount: None };
            }
            CommandLine::Shell(text) => text.raw.clone(),
        };
        if let Some(heredoc) = single_heredoc(run) {
            return Self::of_heredoc(heredoc);
        }
        let bodies = run.heredocs.iter().map(|heredoc| format!("\n{}{}", heredoc.content, heredoc.name));
        Self { command: ScriptCommand::Text(text + &bodies.collect::<String>()), mount: None }
    }

    /// The heredoc is the script: a file of its own when it names its interpreter, else text for the shell.
    fn of_heredoc(heredoc: &Heredoc) -> Self {
        let content = heredoc.data();
        if !content.starts_with("#!") {
            return Self { command: ScriptCommand::Text(content), mount: None };
        }
        let path = format!("{SCRIPTS}{}", heredoc.name);
        let input = Input::Inline(InlineFile { name: heredoc.name.clone(), content, mode: 0o755 });
        let mount = Mount {
            target: Some(SCRIPTS.trim_end_matches('/').to_owned()),
            read_only: true,
            kind: MountKind::Bind { input, source: "/".to_owned() },
        };
        Self { command: ScriptCommand::Text(path), mount: Some(mount) }
    }
}

/// The heredoc that is a RUN's whole command line.
fn single_heredoc(run: &Run) -> Option<&Heredoc> {
    let CommandLine::Shell(text) = &run.command else { return None };
    let heredoc = run.heredocs.first()?;
    let marker = text.raw.trim().strip_prefix("<<")?;
    let marker = marker.strip_prefix('-').unwrap_or(marker);
    let plain: String = marker.chars().filter(|char| !matches!(char, '"' | '\'' | '\\')).collect();
    (plain == heredoc.name && run.heredocs.len() == 1).then_some(heredoc)
}

/// A heredoc's first line, with dots when there are more.
fn summary(content: &str) -> String {
    let mut lines = content.trim().lines();
    let first = lines.next().unwrap_or("").to_owned();
    if lines.next().is_some() { first + "..." } else { first }
}

/// The proxies among the build arguments, under both spellings.
fn proxies<'a>(arguments: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    let given: Vec<(&str, &str)> = arguments.collect();
    let mut proxies = Vec::new();
    for name in PROXIES {
        let last = given.iter().rev().find(|(known, value)| known.eq_ignore_ascii_case(name) && !value.is_empty());
        if let Some((_, value)) = last {
            proxies.push((name.to_owned(), (*value).to_owned()));
            proxies.push((name.to_lowercase(), (*value).to_owned()));
        }
    }
    proxies
}
