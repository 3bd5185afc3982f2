//! What a person, or a machine, sees of a run: one stream of events, and a writer for each way to show it.

mod event;
mod json;
mod plain;
mod tree;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kube_engine::release::Outcome;
use kube_engine::wait::Pending;
use kube_engine::{Action, Change};

pub use event::{Event, Level, Row};
pub use json::JsonLines;
pub use plain::PlainLines;
pub use tree::Tree;

/// Shows events.
pub trait Writer: Send {
    /// Shows one event, at a time since the start of the run.
    fn write(&mut self, at: Duration, event: &Event<'_>);
}

/// Where all parts of a run say what they do. Clones share one writer.
#[derive(Clone)]
pub struct Reporter {
    writer: Arc<Mutex<Box<dyn Writer>>>,
    started: Instant,
}

impl Reporter {
    /// Returns a reporter that starts its clock now.
    pub fn new(writer: Box<dyn Writer>) -> Self {
        Reporter { writer: Arc::new(Mutex::new(writer)), started: Instant::now() }
    }

    /// Shows an event.
    pub fn event(&self, event: &Event<'_>) {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).write(self.started.elapsed(), event);
    }

    /// Returns how long the run takes so far.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns the reporter of one step.
    pub fn step(&self, step: &str) -> StepReporter {
        StepReporter { reporter: self.clone(), step: step.into(), tally: Arc::default() }
    }
}

/// How many objects a step created, configured and so on.
pub type Counts = BTreeMap<Action, u64>;

/// What a step did so far, for its row in the table.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub counts: Counts,
    pub chart: Option<String>,
    pub revision: Option<u64>,
}

/// Says what one step does.
#[derive(Clone)]
pub struct StepReporter {
    reporter: Reporter,
    step: Arc<str>,
    tally: Arc<Mutex<Tally>>,
}

impl StepReporter {
    /// Shows an event of the run.
    pub fn event(&self, event: &Event<'_>) {
        self.reporter.event(event);
    }

    /// Shows a log line of the module.
    pub fn log(&self, level: Level, message: &str) {
        self.event(&Event::Log { step: &self.step, level, message });
    }

    /// Shows what is going on; an empty title ends it.
    pub fn activity(&self, title: &str, note: &str) {
        self.event(&Event::Activity { step: &self.step, title, note });
    }

    /// Shows what is waited for.
    pub fn waiting(&self, pending: &[Pending]) {
        self.event(&Event::Waiting { step: &self.step, pending });
    }

    /// Shows why a wait ended without what it waited for, or what a render failed of.
    pub fn explained(&self, lines: &[String]) {
        if !lines.is_empty() {
            self.event(&Event::Explained { step: &self.step, lines });
        }
    }

    /// Counts and shows what became of an object.
    pub fn changed(&self, change: &Change) {
        *self.lock().counts.entry(change.action).or_default() += 1;
        self.event(&Event::Changed { step: &self.step, change });
    }

    /// Shows a call that the grant does not allow.
    pub fn denied(&self, call: &str, what: &str) {
        self.event(&Event::Denied { step: &self.step, call, what });
    }

    /// Notes what became of the step's release. Its objects were counted one by one, but those of a release in sync were not touched.
    pub fn ensured(&self, outcome: &Outcome, chart: &str) {
        let mut tally = self.lock();
        tally.chart = Some(chart.into());
        tally.revision = Some(outcome.revision);
    }

    /// Returns what the step did so far.
    pub fn tally(&self) -> Tally {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a duration for people: `0.3s`, `12s`, `4m05s`.
pub fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0..10 => format!("{:.1}s", duration.as_secs_f64()),
        seconds @ 10..120 => format!("{seconds}s"),
        seconds => format!("{}m{:02}s", seconds / 60, seconds % 60),
    }
}

/// Returns how many writing requests a sandbox run took.
pub fn writes_text(writes: Option<usize>) -> String {
    match writes {
        Some(1) => ", 1 write".into(),
        Some(writes) => format!(", {writes} writes"),
        None => String::new(),
    }
}

/// Returns what is pending as a sentence of objects; of many, the first ones.
pub fn pending_text(pending: &[Pending]) -> String {
    let mut text = String::new();
    for (index, pending) in pending.iter().take(20).enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{} ({}: {})", pending.object, pending.condition, pending.reason);
    }
    if pending.len() > 20 {
        let _ = write!(text, " and {} more", pending.len() - 20);
    }
    text
}

/// Returns the closing table, aligned.
pub fn table(rows: &[Row]) -> String {
    let head = ["STEP", "RELEASE", "CHART", "REVISION", "CREATED", "CONFIGURED", "UNCHANGED", "TIME", "RESULT"];
    let mut lines: Vec<Vec<String>> = vec![head.iter().map(|cell| (*cell).to_owned()).collect()];
    for row in rows {
        let count = |action| row.counts.get(&action).copied().unwrap_or(0).to_string();
        let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        let revision = row.revision.map_or_else(|| "-".into(), |revision| revision.to_string());
        lines.push(vec![
            row.step.clone(),
            or(&row.release),
            or(&row.chart),
            revision,
            count(Action::Created),
            count(Action::Configured),
            count(Action::Unchanged),
            row.time.map_or_else(|| "-".into(), seconds),
            row.result.to_owned(),
        ]);
    }
    aligned(&lines)
}

/// Returns lines of as many cells each, one column below the other.
pub fn aligned(lines: &[impl AsRef<[String]>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for line in lines {
        let of = |(index, cell): (usize, &String)| widths.get(index).copied().unwrap_or(0).max(cell.chars().count());
        widths = line.as_ref().iter().enumerate().map(of).collect();
    }
    let mut text = String::new();
    for line in lines {
        let cells: Vec<String> = line.as_ref().iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}
