//! Instructions that change the config, and WORKDIR.

use dockerfile::expand::Environment;
use dockerfile::lint::Rule;
use dockerfile::{ArgDecl, Assignment, CommandLine, Healthcheck, Instruction, Kind, Span, Word};
use serde_json::Map;

use super::stage::StageBuild;
use super::stages::Command;
use super::variables::split;
use super::{go, paths, ports, signal};
use crate::error::Problem;
use crate::{ErrorKind, MakeDir, Op, OwnerSpec};

impl StageBuild<'_, '_> {
    /// Plans one instruction.
    pub(super) fn apply(&mut self, command: &Command<'_>) -> Result<(), Problem> {
        let instruction = command.instruction.as_ref();
        match &instruction.kind {
            Kind::Arg(args) => self.args(args),
            Kind::Env(pairs) => self.env(instruction, pairs),
            Kind::Label(pairs) => self.labels(instruction, pairs),
            Kind::Copy(transfer) => self.copy(command, transfer, false),
            Kind::Add(transfer) => self.copy(command, transfer, true),
            Kind::Run(run) => self.run(command, run),
            Kind::Cmd(line) => self.cmd(instruction, line),
            Kind::Entrypoint(line) => self.entrypoint(instruction, line),
            Kind::Expose(words) => self.expose(words),
            Kind::User(word) => self.user(word),
            Kind::Workdir(word) => self.workdir(instruction, word),
            Kind::Volume(words) => self.volume(words),
            Kind::Shell(words) => self.shell(words),
            Kind::StopSignal(word) => self.stop_signal(word),
            Kind::Healthcheck(check) => self.healthcheck(instruction, check),
            Kind::Onbuild(trigger) => {
                self.state.image.config.on_build.push(trigger.expression.clone());
                Ok(())
            }
            Kind::Maintainer(word) => self.maintainer(word),
            Kind::From => Ok(()),
        }
    }

    fn args(&mut self, args: &[ArgDecl]) -> Result<(), Problem> {
        let mut texts = Vec::new();
        for arg in args {
            let name = arg.name.raw.as_str();
            self.check_secret("ARG", name);
            let value = self.argument(arg)?;
            if let Some(value) = &value {
                self.set_variable(name, value);
            }
            texts.push(value.as_ref().map_or_else(|| name.to_owned(), |value| format!("{name}={value}")));
            self.state.arguments.push((name.to_owned(), value));
        }
        self.commit(format!("ARG {}", texts.join(" ")), None);
        Ok(())
    }

    /// The value on the command line, else the default, else that of the global argument of the same name.
    fn argument(&mut self, arg: &ArgDecl) -> Result<Option<String>, Problem> {
        match (self.planner.request.build_arg(&arg.name.raw), &arg.value) {
            (Some(given), _) => Ok(Some(given.to_owned())),
            (None, Some(default)) => self.expand(default).map(Some),
            (None, None) => Ok(self.planner.globals.get(&arg.name.raw).map(str::to_owned)),
        }
    }

    fn pairs(&mut self, instruction: &Instruction, pairs: &[Assignment]) -> Result<Vec<(String, String)>, Problem> {
        let mut expanded = Vec::new();
        for pair in pairs {
            expanded.push((self.expand(&pair.name)?, self.expand(&pair.value)?));
            if pair.legacy {
                let word = instruction.keyword;
                self.report(
                    Rule::LegacyKeyValueFormat,
                    format!("use \"{word} key=value\" instead of \"{word} key value\""),
                );
            }
        }
        Ok(expanded)
    }

    fn env(&mut self, instruction: &Instruction, pairs: &[Assignment]) -> Result<(), Problem> {
        let pairs = self.pairs(instruction, pairs)?;
        for (name, value) in &pairs {
            self.check_secret("ENV", name);
            self.state.variables.set(name, value);
            set_env(&mut self.state.image.config.env, name, value);
        }
        self.commit(format!("ENV{}", joined(&pairs)), None);
        Ok(())
    }

    fn labels(&mut self, instruction: &Instruction, pairs: &[Assignment]) -> Result<(), Problem> {
        let pairs = self.pairs(instruction, pairs)?;
        self.state.image.config.labels.extend(pairs.iter().cloned());
        self.commit(format!("LABEL{}", joined(&pairs)), None);
        Ok(())
    }

    fn check_secret(&mut self, keyword: &str, name: &str) {
        if is_secret(name) {
            let message = format!("do not use ARG or ENV for sensitive data ({keyword} {name:?})");
            self.report(Rule::SecretsUsedInArgOrEnv, message);
        }
    }

    /// A command's words, with the shell in front of the shell form.
    pub(super) fn with_shell(&self, text: &str) -> Vec<String> {
        let shell = &self.state.image.config.shell;
        let default = || vec!["/bin/sh".to_owned(), "-c".to_owned()];
        let mut words = if shell.is_empty() { default() } else { shell.clone() };
        words.push(text.to_owned());
        words
    }

    fn words(&mut self, instruction: &Instruction, line: &CommandLine) -> Vec<String> {
        match line {
            CommandLine::Exec(words) => words.iter().map(|word| word.raw.clone()).collect(),
            CommandLine::Shell(text) => {
                if self.state.image.config.shell.is_empty() {
                    let message = format!("JSON arguments recommended for {}", instruction.keyword);
                    self.report(Rule::JsonArgsRecommended, message);
                }
                self.with_shell(&text.raw)
            }
        }
    }

    fn cmd(&mut self, instruction: &Instruction, line: &CommandLine) -> Result<(), Problem> {
        let previous = self.cmd.replace(self.line);
        self.check_once(instruction, previous);
        let words = self.words(instruction, line);
        self.commit(format!("CMD {}", go::quoted(&words)), None);
        self.state.image.config.cmd = (!words.is_empty()).then_some(words);
        self.state.image.config.args_escaped = true;
        Ok(())
    }

    fn entrypoint(&mut self, instruction: &Instruction, line: &CommandLine) -> Result<(), Problem> {
        let previous = self.entrypoint.replace(self.line);
        self.check_once(instruction, previous);
        let words = self.words(instruction, line);
        self.commit(format!("ENTRYPOINT {}", go::quoted(&words)), None);
        self.state.image.config.entrypoint = (!words.is_empty()).then_some(words);
        if self.cmd.is_none() {
            self.state.image.config.cmd = None;
        }
        Ok(())
    }

    fn healthcheck(&mut self, instruction: &Instruction, check: &Healthcheck) -> Result<(), Problem> {
        let previous = self.healthcheck.replace(self.line);
        self.check_once(instruction, previous);
        self.commit(format!("HEALTHCHECK {}", go::healthcheck(check)), None);
        self.state.image.config.healthcheck = Some(health_config(check));
        Ok(())
    }

    /// The one before is the one that does not count.
    fn check_once(&mut self, instruction: &Instruction, previous: Option<Span>) {
        if let Some(previous) = previous {
            let message = format!("only the last {} of a stage counts", instruction.keyword);
            self.report_at(Rule::MultipleInstructionsDisallowed, previous, message);
        }
    }

    fn expose(&mut self, words: &[Word]) -> Result<(), Problem> {
        let mut all = Vec::new();
        for word in words {
            for text in self.planner.expander.words(word, &self.state.variables)? {
                let ports = ports::parse(&text).map_err(|error| Problem::new(word.span, error))?;
                if ports.loud_protocol {
                    self.report(Rule::ExposeProtoCasing, format!("the protocol of {text:?} should be lowercase"));
                }
                if ports.host_parts {
                    self.report(
                        Rule::ExposeInvalidFormat,
                        format!("EXPOSE takes no address and no host port, found {text:?}"),
                    );
                }
                all.extend(ports.list);
            }
        }
        let exposed = &mut self.state.image.config.exposed_ports;
        exposed.extend(all.iter().map(|port| (port.clone(), Map::new())));
        self.commit(format!("EXPOSE {}", go::plain(&all)), None);
        Ok(())
    }

    fn user(&mut self, word: &Word) -> Result<(), Problem> {
        let user = self.expand(word)?;
        self.commit(format!("USER {user}"), None);
        self.state.image.config.user = user;
        Ok(())
    }

    fn workdir(&mut self, instruction: &Instruction, word: &Word) -> Result<(), Problem> {
        let path = self.expand(word)?;
        if !self.state.workdir_set && !path.starts_with('/') {
            let message = format!("relative workdir {path:?} depends on the base image");
            self.report(Rule::WorkdirRelativePath, message);
        }
        self.state.workdir_set = true;
        let directory = paths::resolve(&self.state.image.config.working_dir, &path);
        self.state.image.config.working_dir.clone_from(&directory);
        self.state.directory.clone_from(&directory);
        let made = (directory != "/").then(|| {
            let user = &self.state.image.config.user;
            let owner = (!user.is_empty()).then(|| OwnerSpec::parse(user));
            let text = self.planner.expander.label(&instruction.text, &self.state.variables);
            let parent = self.parent();
            let path = paths::absolute("/", &directory);
            self.step(Op::MakeDir(MakeDir { parent, path, mode: 0o755, owner }), &text)
        });
        self.commit(format!("WORKDIR {directory}"), made);
        Ok(())
    }

    fn volume(&mut self, words: &[Word]) -> Result<(), Problem> {
        let volumes = self.expand_all(words)?;
        if volumes.iter().any(String::is_empty) {
            return Err(Problem::new(self.line, ErrorKind::EmptyVolume));
        }
        self.state.image.config.volumes.extend(volumes.iter().map(|volume| (volume.clone(), Map::new())));
        self.commit(format!("VOLUME {}", go::plain(&volumes)), None);
        Ok(())
    }

    fn shell(&mut self, words: &[Word]) -> Result<(), Problem> {
        let words: Vec<String> = words.iter().map(|word| word.raw.clone()).collect();
        self.commit(format!("SHELL {}", go::plain(&words)), None);
        self.state.image.config.shell = words;
        Ok(())
    }

    fn stop_signal(&mut self, word: &Word) -> Result<(), Problem> {
        let name = self.expand(word)?;
        if !signal::is_signal(&name) {
            return Err(Problem::new(word.span, ErrorKind::Signal(name)));
        }
        self.commit(format!("STOPSIGNAL {name}"), None);
        self.state.image.config.stop_signal = name;
        Ok(())
    }

    fn maintainer(&mut self, word: &Word) -> Result<(), Problem> {
        self.state.image.author.clone_from(&word.raw);
        self.commit(format!("MAINTAINER {}", word.raw), None);
        Ok(())
    }
}

/// ` name=value` of each.
fn joined(pairs: &[(String, String)]) -> String {
    pairs.iter().map(|(name, value)| format!(" {name}={value}")).collect()
}

/// Replaces a variable where it stands, or adds it at the end.
fn set_env(env: &mut Vec<String>, name: &str, value: &str) {
    let entry = format!("{name}={value}");
    match env.iter_mut().find(|known| split(known).0 == name) {
        Some(known) => *known = entry,
        None => env.push(entry),
    }
}

/// Whether a name has a word in it that secrets have.
fn is_secret(name: &str) -> bool {
    const SECRET: [&str; 10] =
        ["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"];
    const HARMLESS: [&str; 3] = ["public", "file", "version"];
    let lower = name.to_lowercase();
    let has = |words: &[&str]| lower.split('_').any(|word| words.contains(&word));
    has(&SECRET) && !has(&HARMLESS)
}

/// The `Test` of a health check.
pub(super) fn probe_test(check: &Healthcheck) -> Vec<String> {
    let Healthcheck::Cmd(probe) = check else { return vec!["NONE".to_owned()] };
    let kind = if probe.command.is_shell() { "CMD-SHELL" } else { "CMD" };
    let words = probe.command.words().iter().map(|word| word.raw.clone());
    [kind.to_owned()].into_iter().chain(words).collect()
}

fn health_config(check: &Healthcheck) -> oci::Healthcheck {
    let mut config = oci::Healthcheck { test: probe_test(check), ..oci::Healthcheck::default() };
    if let Healthcheck::Cmd(probe) = check {
        config.interval = probe.interval.as_nanos();
        config.timeout = probe.timeout.as_nanos();
        config.start_period = probe.start_period.as_nanos();
        config.start_interval = probe.start_interval.as_nanos();
        config.retries = i64::from(probe.retries);
    }
    config
}
