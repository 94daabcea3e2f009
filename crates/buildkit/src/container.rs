//! BuildKit in a container: started when it is absent, started anew when it is not what it should be.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::{Address, Container, Error};

/// Where its configuration is put, as the root is a directory in every image, and where buildkitd keeps its state.
const CONFIG: &str = "/buildkitd.toml";
const STATE: &str = "/var/lib/buildkit";
/// The digest of the configuration that a container was started with.
const LABEL: &str = "shipsmith.builder.config";
/// How often a builder is asked whether it is there yet, and how long it is waited between.
const ATTEMPTS: u32 = 60;
const PAUSE: Duration = Duration::from_millis(500);

impl Container {
    /// The command line of Docker's client.
    pub(crate) fn command(&self, arguments: &[&str]) -> Vec<String> {
        let context = self.context.iter().flat_map(|name| ["--context".to_owned(), name.clone()]);
        context.chain(arguments.iter().map(|argument| (*argument).to_owned())).collect()
    }

    /// Makes sure that it runs, and is what the address says.
    pub(crate) async fn ensure(&self, address: &Address) -> Result<(), Error> {
        let failed = |reason: String| Error::Connect { builder: address.to_string(), reason };
        let started = self.start().await.map_err(failed)?;
        if started { self.wait().await.map_err(failed) } else { Ok(()) }
    }

    /// Whether it was started just now.
    async fn start(&self) -> Result<bool, String> {
        let config = self.config_digest().await?;
        match (self.inspect().await?, &self.image) {
            (None, None) => Err(format!("there is no container {}, and no image to start it from is given", self.name)),
            (None, Some(image)) => self.create(image, &config).await.map(|()| true),
            (Some(_), None) if self.restart => self.docker(&["container", "restart", &self.name]).await.map(|_| true),
            (Some(found), Some(image)) if self.restart || !found.is(image, &config) => {
                self.docker(&["container", "rm", "--force", &self.name]).await?;
                if found.image != *image {
                    self.docker(&["volume", "rm", "--force", &self.volume()]).await?;
                }
                self.create(image, &config).await.map(|()| true)
            }
            (Some(found), _) if found.running => Ok(false),
            (Some(_), _) => self.docker(&["container", "start", &self.name]).await.map(|_| true),
        }
    }

    /// What stands for the configuration; nothing where none is given.
    async fn config_digest(&self) -> Result<String, String> {
        let Some(path) = &self.config else { return Ok(String::new()) };
        let bytes = tokio::fs::read(path).await.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(oci::Digest::of(&bytes).to_string())
    }

    async fn inspect(&self) -> Result<Option<Found>, String> {
        let format = format!("{{{{.State.Running}}}} {{{{.Config.Image}}}} {{{{index .Config.Labels \"{LABEL}\"}}}}");
        match self.docker(&["container", "inspect", "--format", &format, &self.name]).await {
            Ok(text) => Ok(Some(Found::read(&text))),
            Err(reason) if reason.to_lowercase().contains("no such container") => Ok(None),
            Err(reason) => Err(reason),
        }
    }

    async fn create(&self, image: &str, config: &str) -> Result<(), String> {
        let (label, volume) = (format!("{LABEL}={config}"), format!("{}:{STATE}", self.volume()));
        let mut arguments = vec!["container", "create", "--name", &self.name, "--privileged", "--label", &label];
        arguments.extend(["--volume", &volume, image, "--allow-insecure-entitlement", "network.host"]);
        if self.config.is_some() {
            arguments.extend(["--config", CONFIG]);
        }
        self.docker(&arguments).await?;
        if let Some(config) = &self.config {
            self.copy(config).await?;
        }
        self.docker(&["container", "start", &self.name]).await.map(drop)
    }

    /// Where what it has built outlives it.
    fn volume(&self) -> String {
        format!("{}-state", self.name)
    }

    /// By Docker's client, as the engine need not be on this machine.
    async fn copy(&self, config: &Path) -> Result<(), String> {
        self.docker(&["cp", &config.display().to_string(), &format!("{}:{CONFIG}", self.name)]).await.map(drop)
    }

    async fn wait(&self) -> Result<(), String> {
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            match self.docker(&["exec", &self.name, "buildctl", "debug", "workers"]).await {
                Ok(_) => return Ok(()),
                Err(reason) => last = reason,
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(format!("the container {} was started, but does not answer: {last}", self.name))
    }

    async fn docker(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new("docker");
        command.args(self.command(arguments)).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.map_err(|error| format!("docker: {error}"))?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }
}

/// A container that is there.
struct Found {
    running: bool,
    image: String,
    config: String,
}

impl Found {
    fn read(text: &str) -> Self {
        let mut words = text.trim_end_matches('\n').split(' ').map(str::to_owned);
        let mut word = || words.next().unwrap_or_default();
        Self { running: word() == "true", image: word(), config: word() }
    }

    /// Whether it is what is wanted; without a configuration of one's own any will do.
    fn is(&self, image: &str, config: &str) -> bool {
        self.image == image && (config.is_empty() || self.config == config)
    }
}
