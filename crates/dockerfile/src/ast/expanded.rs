//! Which words of an instruction are expanded.

use super::{Assignment, Instruction, Kind, Transfer, Word};

impl Instruction {
    /// The words BuildKit expands with the stage's environment before it carries the instruction out, in its order.
    ///
    /// Not among them: default values of `ARG` (expanded only where no value is given), ports of `EXPOSE` (expanded
    /// into several words each, [`crate::expand::Expander::words`]) and contents of heredocs
    /// ([`crate::expand::heredoc`]). `FROM` is expanded with the global arguments, see [`super::Stage`].
    pub fn expanded_words(&self) -> Vec<&Word> {
        match &self.kind {
            Kind::Env(pairs) | Kind::Label(pairs) => pairs.iter().flat_map(sides).collect(),
            Kind::Copy(transfer) | Kind::Add(transfer) => transfer_words(transfer),
            Kind::Run(run) => {
                run.mounts.iter().flat_map(|mount| &mount.fields).filter_map(|field| field.value.as_ref()).collect()
            }
            Kind::User(word) | Kind::Workdir(word) | Kind::StopSignal(word) => vec![word],
            Kind::Volume(words) => words.iter().collect(),
            Kind::Arg(_)
            | Kind::Cmd(_)
            | Kind::Entrypoint(_)
            | Kind::Expose(_)
            | Kind::Shell(_)
            | Kind::Healthcheck(_)
            | Kind::Onbuild(_)
            | Kind::Maintainer(_)
            | Kind::From => Vec::new(),
        }
    }
}

fn sides(pair: &Assignment) -> [&Word; 2] {
    [&pair.name, &pair.value]
}

fn transfer_words(transfer: &Transfer) -> Vec<&Word> {
    let flags = [&transfer.chown, &transfer.chmod, &transfer.checksum];
    flags.into_iter().flatten().chain(&transfer.sources).chain([&transfer.destination]).collect()
}
