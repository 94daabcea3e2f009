//! What is asked of a person at a terminal.

use std::io::{self, BufRead, IsTerminal, Stdin, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Asks for something; `None` where nobody is there to answer, or the answer is empty.
pub(super) fn ask(what: &str) -> Option<String> {
    let stdin = terminal()?;
    let _gone = write!(io::stderr(), "{what}: ");
    line(&stdin)
}

/// Asks for something that nobody looking on may read.
pub(super) fn ask_hidden(what: &str) -> Option<String> {
    let stdin = terminal()?;
    let _hidden = Hidden::new(&stdin).ok()?;
    let _gone = write!(io::stderr(), "{what}: ");
    line(&stdin)
}

fn terminal() -> Option<Stdin> {
    let stdin = io::stdin();
    stdin.is_terminal().then_some(stdin)
}

fn line(stdin: &Stdin) -> Option<String> {
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).ok()?;
    let answer = answer.trim_end_matches(['\r', '\n']);
    (!answer.is_empty()).then(|| answer.to_owned())
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden<'t> {
    terminal: &'t Stdin,
    before: Termios,
}

impl<'t> Hidden<'t> {
    fn new(terminal: &'t Stdin) -> rustix::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        let _gone = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
        // The line end was not shown either.
        let _gone = writeln!(io::stderr());
    }
}
