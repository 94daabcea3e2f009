//! Many images at once: a line for each that ended, what the others do now, and which of that takes long.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::{Event, EventSink, JobState, VertexId};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::text::seconds;
use super::{Lines, clean, locked, of_job};

/// Where there are only lines, how far all of it is is said this often.
const EVERY: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(120);
/// More images than these are at work, and not shown, on a terminal.
const SHOWN: usize = 12;

/// Where it is shown.
pub(super) trait Face: Send {
    /// A line that stays.
    fn keep(&mut self, line: &str);
    /// What is done for one image now.
    fn show(&mut self, image: &str, work: &str);
    /// Nothing is done for it any more.
    fn hide(&mut self, image: &str);
    /// How far all of it is.
    fn total(&mut self, at: Duration, text: &dyn Fn() -> String);
}

/// Shows the events of many builds.
pub(super) struct Many<F>(Mutex<Board<F>>);

struct Board<F> {
    face: F,
    images: usize,
    ended: usize,
    began: BTreeMap<Arc<str>, Duration>,
    /// What is being done, for which image and since when.
    work: BTreeMap<VertexId, Work>,
}

struct Work {
    image: Option<Arc<str>>,
    name: String,
    since: Duration,
}

impl<F: Face> Many<F> {
    pub(super) fn new(face: F) -> Self {
        let (began, work) = (BTreeMap::new(), BTreeMap::new());
        Self(Mutex::new(Board { face, images: 0, ended: 0, began, work }))
    }
}

impl<F: Face> EventSink for Many<F> {
    fn event(&self, at: Duration, event: Event) {
        let mut board = locked(&self.0);
        match event {
            Event::Job { name, state } => board.job(at, name, &state),
            Event::Started { id, name, job } => board.start(at, id, name, job),
            Event::Log { id, line } => board.log(id, &line),
            Event::Finished { id, error, .. } => board.finish(id, error.as_deref()),
            Event::Warning { message, location } => board.warn(&message, location.as_deref()),
            Event::Progress { .. } | Event::Stage { .. } => {}
        }
        let Board { face, images, ended, work, .. } = &mut *board;
        face.total(at, &|| total(at, *ended, *images, work));
    }
}

impl<F: Face> Board<F> {
    fn job(&mut self, at: Duration, name: Arc<str>, state: &JobState) {
        let end = match state {
            JobState::Waiting => {
                self.images += 1;
                return;
            }
            JobState::Began => {
                self.began.insert(name, at);
                return;
            }
            JobState::Done => "done".to_owned(),
            JobState::Failed(error) => format!("FAILED: {}", clean(error.lines().next().unwrap_or_default())),
            JobState::Skipped(because) => format!("skipped: {}", clean(because)),
        };
        self.ended += 1;
        let took = self.began.remove(&name).map(|began| format!(" {}", seconds(at.saturating_sub(began))));
        self.face.hide(&name);
        let (took, name) = (took.unwrap_or_default(), clean(&name));
        self.face.keep(&format!("[{}/{}] {name}: {end}{took}", self.ended, self.images));
    }

    fn start(&mut self, at: Duration, id: VertexId, name: String, image: Option<Arc<str>>) {
        let name = clean(&name).into_owned();
        self.face.show(image.as_deref().unwrap_or(&name), &name);
        self.work.insert(id, Work { image, name, since: at });
    }

    fn log(&mut self, id: VertexId, line: &str) {
        if let Some(Work { image, name, .. }) = self.work.get(&id) {
            self.face.keep(&format!("{}: {}", clean(image.as_deref().unwrap_or(name)), clean(line)));
        }
    }

    fn finish(&mut self, id: VertexId, error: Option<&str>) {
        let Some(Work { image, name, .. }) = self.work.remove(&id) else { return };
        match image {
            Some(image) => {
                let rest = self.work.values().rfind(|work| work.image.as_ref() == Some(&image));
                match rest {
                    Some(rest) => self.face.show(&image, &rest.name),
                    None => self.face.hide(&image),
                }
            }
            None => {
                self.face.hide(&name);
                let error = error.map(|error| error.lines().next().unwrap_or_default());
                error.into_iter().for_each(|error| self.face.keep(&format!("{name}: FAILED: {}", clean(error))));
            }
        }
    }

    fn warn(&mut self, message: &str, location: Option<&str>) {
        let location = location.map(|location| format!(" ({})", clean(location)));
        self.face.keep(&format!("warning: {}{}", clean(message), location.unwrap_or_default()));
    }
}

/// How far all of it is, and what takes longest of what is being done.
fn total(at: Duration, ended: usize, images: usize, work: &BTreeMap<VertexId, Work>) -> String {
    let longest = work.values().min_by_key(|work| work.since);
    let longest = longest.map(|work| {
        let took = seconds(at.saturating_sub(work.since));
        format!("; longest now: {} {took}", of_job(work.image.as_deref(), work.name.clone()))
    });
    format!("{ended} of {images} images{}", longest.unwrap_or_default())
}

/// Lines, for whatever is no terminal.
pub(super) struct Plain<W> {
    out: W,
    told: Duration,
}

impl<W: Write + Send> Plain<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, told: Duration::ZERO }
    }
}

impl<W: Write + Send> Face for Plain<W> {
    fn keep(&mut self, line: &str) {
        self.out.line(line);
    }

    fn show(&mut self, _image: &str, _work: &str) {}

    fn hide(&mut self, _image: &str) {}

    fn total(&mut self, at: Duration, text: &dyn Fn() -> String) {
        if at.saturating_sub(self.told) >= EVERY {
            self.told = at;
            self.out.line(&text());
        }
    }
}

/// A terminal: what moves stands below what stays.
pub(super) struct Tty {
    screen: MultiProgress,
    images: BTreeMap<String, ProgressBar>,
    bottom: ProgressBar,
}

impl Tty {
    pub(super) fn new() -> Self {
        let screen = MultiProgress::new();
        let bottom = screen.add(bar());
        Self { screen, images: BTreeMap::new(), bottom }
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template(" {spinner:.cyan} {wide_msg}");
    let bar = ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(TICK);
    bar
}

impl Face for Tty {
    fn keep(&mut self, line: &str) {
        let _gone = self.screen.println(line);
    }

    fn show(&mut self, image: &str, work: &str) {
        if !self.images.contains_key(image) && self.images.len() == SHOWN {
            return;
        }
        let (screen, bottom) = (&self.screen, &self.bottom);
        let bar = self.images.entry(image.to_owned()).or_insert_with(|| screen.insert_before(bottom, bar()));
        bar.set_message(if image == work { work.to_owned() } else { format!("{}: {work}", clean(image)) });
    }

    fn hide(&mut self, image: &str) {
        if let Some(bar) = self.images.remove(image) {
            self.screen.remove(&bar);
        }
    }

    fn total(&mut self, _at: Duration, text: &dyn Fn() -> String) {
        self.bottom.set_message(text());
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        self.bottom.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(events: Vec<(u64, Event)>) -> String {
        let many = Many::new(Plain::new(Vec::new()));
        for (seconds, event) in events {
            many.event(Duration::from_secs(seconds), event);
        }
        String::from_utf8(many.0.into_inner().unwrap().face.out).unwrap()
    }

    fn job(name: &str, state: JobState) -> Event {
        Event::Job { name: name.into(), state }
    }

    fn started(id: u32, name: &str, job: Option<&str>) -> Event {
        Event::Started { id: VertexId(id), name: name.into(), job: job.map(Into::into) }
    }

    fn finished(id: u32, error: Option<&str>) -> Event {
        Event::Finished { id: VertexId(id), cached: false, error: error.map(Into::into) }
    }

    #[test]
    fn an_image_is_one_line_however_much_is_done_for_it() {
        let text = shown(vec![
            (0, job("app", JobState::Waiting)),
            (0, job("b", JobState::Waiting)),
            (0, job("app", JobState::Began)),
            (0, started(1, "[1/1] COPY a b", Some("app"))),
            (1, finished(1, None)),
            (1, job("app", JobState::Done)),
            (2, job("b", JobState::Skipped("app is no good".into()))),
        ]);
        assert_eq!(text, "[1/2] app: done 1.0s\n[2/2] b: skipped: app is no good\n");
    }

    #[test]
    fn what_processes_say_is_said_with_the_images_name() {
        let text = shown(vec![
            (0, started(1, "[command] make", None)),
            (0, started(2, "[1/1] RUN make", Some("app"))),
            (0, Event::Log { id: VertexId(1), line: "compiling".into() }),
            (1, Event::Log { id: VertexId(2), line: "two\u{1b}[0m".into() }),
            (1, finished(1, Some("exit status: 2\nmore"))),
            (2, Event::Warning { message: "RUN is left out".into(), location: Some("Dockerfile:3".into()) }),
        ]);
        let expected = "[command] make: compiling\napp: two\\u{1b}[0m\n[command] make: FAILED: exit status: 2\n\
             warning: RUN is left out (Dockerfile:3)\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn now_and_then_it_says_what_takes_long() {
        let text = shown(vec![
            (0, job("app", JobState::Waiting)),
            (0, started(1, "[1/2] COPY a b", Some("app"))),
            (2, started(2, "[1/2] COPY c d", Some("app"))),
            (6, Event::Progress { id: VertexId(2), what: "layer".into(), done: 1, total: None }),
            (7, job("app", JobState::Failed("it broke\nhere".into()))),
        ]);
        assert_eq!(text, "0 of 1 images; longest now: app: [1/2] COPY a b 6.0s\n[1/1] app: FAILED: it broke\n");
    }

    #[test]
    fn a_terminal_shows_only_as_many_as_it_has_lines_for() {
        let mut tty = Tty::new();
        tty.screen.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        (0..2 * SHOWN).for_each(|image| tty.show(&image.to_string(), "work"));
        assert_eq!(tty.images.len(), SHOWN);
        (0..2 * SHOWN).for_each(|image| tty.hide(&image.to_string()));
        assert!(tty.images.is_empty());
    }
}
