//! Plain lines, for CI and files. On GitHub failures become annotations; steps run side by side, so groups would mix them.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use kube_engine::Action;

use super::{Event, Level, Writer, pending_text, seconds, table, writes_text};

/// Writes a line for everything that matters.
pub struct PlainLines<W> {
    out: W,
    github: bool,
    waiting: BTreeMap<String, String>,
}

impl<W: Write + Send> PlainLines<W> {
    /// Returns a writer; with `github`, in the words of GitHub's log.
    pub fn new(out: W, github: bool) -> Self {
        PlainLines { out, github, waiting: BTreeMap::new() }
    }

    fn line(&mut self, at: Duration, step: &str, text: &str) {
        // Nobody reads any more: the run goes on.
        let _ = writeln!(self.out, "{:>7}  {step}: {text}", seconds(at)).and_then(|()| self.out.flush());
    }

    fn raw(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }
}

impl<W: Write + Send> Writer for PlainLines<W> {
    fn write(&mut self, at: Duration, event: &Event<'_>) {
        match event {
            Event::Connecting { message } => self.raw(message),
            Event::RunStarted { cluster, steps } => self.raw(&format!("booting {cluster}: {}", steps.join(", "))),
            Event::StepStarted { step, module, release } => {
                let release = release.map(|release| format!(" for {release}")).unwrap_or_default();
                self.line(at, step, &format!("started, module {module}{release}"));
            }
            Event::PhaseStarted { step, phase } => self.line(at, step, phase),
            Event::PhaseFinished { .. } | Event::Activity { note: "", .. } => {}
            Event::Activity { step, title, note } => self.line(at, step, &format!("{title}: {note}")),
            Event::Waiting { step, pending } => {
                let text = format!("waiting for {}", pending_text(pending));
                if self.waiting.insert((*step).to_owned(), text.clone()).as_ref() != Some(&text) {
                    self.line(at, step, &text);
                }
            }
            Event::Explained { step, lines } => lines.iter().for_each(|text| self.line(at, step, text)),
            Event::Changed { change, .. } if change.action == Action::Unchanged => {}
            Event::Changed { step, change } => self.line(at, step, &format!("{} {}", change.object, change.action.as_str())),
            Event::Denied { step, call, what } => self.line(at, step, &format!("denied: {call}: {what}")),
            Event::Log { level: Level::Debug, .. } => {}
            Event::Log { step, level, message } => self.line(at, step, &format!("{}: {message}", level.as_str())),
            Event::StepFinished { row, .. } => {
                let revision = row.revision.map(|revision| format!(", revision {revision}")).unwrap_or_default();
                self.line(at, &row.step, &format!("{}{revision} in {}", row.result, seconds(row.time.unwrap_or_default())));
            }
            Event::StepFailed { row, message, hints, .. } => {
                if self.github {
                    let escaped = message.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
                    self.raw(&format!("::error title=step {}::{escaped}", row.step));
                }
                self.line(at, &row.step, &format!("failed: {message}"));
                for hint in *hints {
                    self.raw(&format!("           hint: {hint}"));
                }
            }
            Event::StepSkipped { step, because } => self.line(at, step, &format!("not started: {because}")),
            Event::RunFinished { rows, took, failed, writes } => {
                let result = if *failed { "failed" } else { "done" };
                self.raw(&format!("\n{}\n{result} in {}{}", table(rows), seconds(*took), writes_text(*writes)));
            }
            Event::Warning { message } => self.raw(&format!("warning: {message}")),
        }
    }
}
