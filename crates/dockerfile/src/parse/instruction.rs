//! Instructions that need no file of their own, and the way to those that do.

use super::flags::Flags;
use super::healthcheck;
use super::json::{self, Json};
use super::line::{Cut, Line};
use super::run;
use super::transfer;
use super::words::{self, Piece};
use crate::ast::{ArgDecl, Assignment, CommandLine, Instruction, Keyword, Kind, OnbuildTrigger, Word};
use crate::error::{ErrorKind, Problem};

/// Reads any instruction. What `FROM` says is read by [`super::stage`].
pub(super) fn instruction(line: Line) -> Result<Instruction, Problem> {
    let kind = kind(&line)?;
    Ok(line.into_instruction(kind))
}

fn kind(line: &Line) -> Result<Kind, Problem> {
    let flags = match line.keyword {
        // BuildKit never looks at the flags of these two, nor at those of HEALTHCHECK NONE.
        Keyword::Arg | Keyword::StopSignal | Keyword::Healthcheck => Flags::default(),
        keyword => Flags::check(keyword, &line.flags)?,
    };
    Ok(match line.keyword {
        Keyword::Add => Kind::Add(transfer::transfer(line, &flags)?),
        Keyword::Arg => Kind::Arg(arg(line)?),
        Keyword::Cmd => Kind::Cmd(command_line(line, line.args())?),
        Keyword::Copy => Kind::Copy(transfer::transfer(line, &flags)?),
        Keyword::Entrypoint => Kind::Entrypoint(command_line(line, line.args())?),
        Keyword::Env => Kind::Env(assignments(line, line.keyword, line.args())?),
        Keyword::Expose => Kind::Expose(expose(line)?),
        Keyword::From => Kind::From,
        Keyword::Healthcheck => Kind::Healthcheck(healthcheck::healthcheck(line)?),
        Keyword::Label => Kind::Label(assignments(line, line.keyword, line.args())?),
        Keyword::Maintainer => Kind::Maintainer(only_argument(line)?),
        Keyword::Onbuild => Kind::Onbuild(onbuild(line)?),
        Keyword::Run => Kind::Run(run::run(line, &flags)?),
        Keyword::Shell => Kind::Shell(shell(line)?),
        Keyword::StopSignal => Kind::StopSignal(only_argument(line)?),
        Keyword::User => Kind::User(only_argument(line)?),
        Keyword::Volume => Kind::Volume(volume(line)?),
        Keyword::Workdir => Kind::Workdir(only_argument(line)?),
    })
}

/// All the text after the keyword.
fn only_argument(line: &Line) -> Result<Word, Problem> {
    if line.args().text.is_empty() {
        return line.refuse(ErrorKind::ExactlyOneArgument(line.keyword));
    }
    Ok(line.word(line.args().taken()))
}

fn arg(line: &Line) -> Result<Vec<ArgDecl>, Problem> {
    let words = words::quoted_words(line.args(), line.escape);
    if words.is_empty() {
        return line.refuse(ErrorKind::AtLeastOneArgument(line.keyword));
    }
    words.into_iter().map(|taken| declaration(line, line.word(taken))).collect()
}

fn declaration(line: &Line, word: Word) -> Result<ArgDecl, Problem> {
    let (name, value) = match split_assignment(&word) {
        Some((name, _)) if name.raw.is_empty() => {
            return Err(Problem::new(word.span, ErrorKind::BlankName(line.keyword)));
        }
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let description = description(line.comments(), &name.raw);
    Ok(ArgDecl { name, value, description })
}

/// The rest of the first comment that begins with a name.
pub(super) fn description(comments: &[String], name: &str) -> Option<String> {
    let rest = comments.iter().find_map(|comment| comment.strip_prefix(name)?.strip_prefix(' '));
    rest.filter(|_| !name.is_empty()).map(str::to_owned)
}

/// The two sides of the first equals sign.
fn split_assignment(word: &Word) -> Option<(Word, Word)> {
    let at = word.raw.find('=')?;
    let (name, value) = word.raw.split_once('=')?;
    let name_span = word.locate(0, at);
    let value_span = word.locate(at + 1, word.raw.len());
    Some((Word::new(name, name_span), Word::new(value, value_span)))
}

fn assignments(line: &Line, keyword: Keyword, args: Piece<'_>) -> Result<Vec<Assignment>, Problem> {
    let words = words::quoted_words(args, line.escape);
    let Some(first) = words.first() else { return line.refuse(ErrorKind::AtLeastOneArgument(keyword)) };
    if !first.raw.contains('=') {
        let (name, value) = args.split_blank();
        let Some(value) = value else { return line.refuse(ErrorKind::MissingValue(keyword)) };
        let (name, value) = (line.word(name.taken()), line.word(value.taken()));
        return Ok(vec![Assignment { name, value, legacy: true }]);
    }
    words.into_iter().map(|taken| assignment(keyword, line.word(taken))).collect()
}

fn assignment(keyword: Keyword, word: Word) -> Result<Assignment, Problem> {
    match split_assignment(&word) {
        None => Err(Problem::new(word.span, ErrorKind::MissingEquals(word.raw))),
        Some((name, _)) if name.raw.is_empty() => Err(Problem::new(word.span, ErrorKind::BlankName(keyword))),
        Some((name, value)) => Ok(Assignment { name, value, legacy: false }),
    }
}

/// A command in either form.
pub(super) fn command_line(line: &Line, args: Piece<'_>) -> Result<CommandLine, Problem> {
    match json::parse(args) {
        Json::Strings(words) => Ok(CommandLine::Exec(words.into_iter().map(|taken| line.word(taken)).collect())),
        Json::OtherArray => line.refuse(ErrorKind::JsonNotStrings),
        Json::None => Ok(CommandLine::Shell(line.word(args.taken()))),
    }
}

/// Words in JSON form or between blanks.
pub(super) fn list(line: &Line) -> Result<Vec<Word>, Problem> {
    Ok(match json::parse(line.args()) {
        Json::Strings(words) => words.into_iter().map(|taken| line.word(taken)).collect(),
        Json::OtherArray => return line.refuse(ErrorKind::JsonNotStrings),
        Json::None => fields(line),
    })
}

/// Words between blanks.
pub(super) fn fields(line: &Line) -> Vec<Word> {
    line.args().fields().into_iter().map(|piece| line.word(piece.taken())).collect()
}

fn expose(line: &Line) -> Result<Vec<Word>, Problem> {
    let mut ports = fields(line);
    if ports.is_empty() {
        return line.refuse(ErrorKind::AtLeastOneArgument(line.keyword));
    }
    ports.sort_by(|left, right| left.raw.cmp(&right.raw));
    Ok(ports)
}

fn volume(line: &Line) -> Result<Vec<Word>, Problem> {
    let volumes = list(line)?;
    if volumes.is_empty() {
        return line.refuse(ErrorKind::AtLeastOneArgument(line.keyword));
    }
    let trimmed = volumes.into_iter().map(|word| match word.raw.trim() {
        "" => Err(Problem::new(word.span, ErrorKind::EmptyVolume)),
        path => Ok(Word::new(path, word.span)),
    });
    trimmed.collect()
}

fn shell(line: &Line) -> Result<Vec<Word>, Problem> {
    match command_line(line, line.args())? {
        CommandLine::Exec(words) if !words.is_empty() => Ok(words),
        CommandLine::Shell(text) if !text.raw.is_empty() => line.refuse(ErrorKind::ShellNotJson),
        _ => line.refuse(ErrorKind::AtLeastOneArgument(line.keyword)),
    }
}

/// A trigger is stored as text. Of what it says, only what BuildKit's line parser looks at is checked here; the rest
/// is when it runs.
fn onbuild(line: &Line) -> Result<OnbuildTrigger, Problem> {
    if line.args().text.is_empty() {
        return line.refuse(ErrorKind::AtLeastOneArgument(line.keyword));
    }
    let trigger = Cut::new(line.args(), line.escape);
    let keyword = line.word(trigger.keyword.taken());
    match Keyword::parse(&keyword.raw) {
        Some(Keyword::Onbuild) => return Err(Problem::new(keyword.span, ErrorKind::ChainedOnbuild)),
        Some(forbidden @ (Keyword::Maintainer | Keyword::From)) => {
            return Err(Problem::new(keyword.span, ErrorKind::ForbiddenTrigger(forbidden)));
        }
        Some(allowed) => check_trigger(line, allowed, trigger.args)?,
        None => {}
    }
    let mut expression = after_onbuild(line.raw_text()).to_owned();
    for heredoc in &line.heredocs {
        expression.push('\n');
        expression.push_str(&heredoc.content);
        expression.push_str(&heredoc.name);
    }
    Ok(OnbuildTrigger { keyword, expression, heredocs: line.heredocs.clone() })
}

fn check_trigger(line: &Line, keyword: Keyword, args: Piece<'_>) -> Result<(), Problem> {
    match keyword {
        Keyword::Env | Keyword::Label if !args.text.is_empty() => assignments(line, keyword, args).map(drop),
        Keyword::Healthcheck => command_line(line, healthcheck::split(args).1).map(drop),
        Keyword::Add
        | Keyword::Copy
        | Keyword::Run
        | Keyword::Cmd
        | Keyword::Entrypoint
        | Keyword::Shell
        | Keyword::Volume => command_line(line, args).map(drop),
        _ => Ok(()),
    }
}

/// What follows the keyword and blanks; at the end nothing is trimmed.
fn after_onbuild(text: &str) -> &str {
    const BLANK: [char; 5] = ['\t', '\n', '\u{c}', '\r', ' '];
    let text = text.trim_start_matches(BLANK);
    text.get("ONBUILD".len()..).unwrap_or("").trim_start_matches(BLANK)
}
