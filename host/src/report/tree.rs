//! A live tree of steps for a terminal: what runs, since when, and what it waits for.

use std::collections::BTreeMap;
use std::time::Duration;

use console::style;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{Event, Level, Writer, pending_text, seconds, table, writes_text};

/// Draws one line a step on the error stream; the closing table goes to the output.
pub struct Tree {
    bars: MultiProgress,
    steps: BTreeMap<String, Line>,
}

struct Line {
    bar: ProgressBar,
    phase: String,
    changed: u64,
}

impl Tree {
    /// Returns an empty tree.
    pub fn new() -> Self {
        Tree { bars: MultiProgress::new(), steps: BTreeMap::new() }
    }

    fn show(&mut self, step: &str, note: &str) {
        let Some(line) = self.steps.get(step) else { return };
        let changed = if line.changed > 0 { format!(" {} objects", line.changed) } else { String::new() };
        let note = if note.is_empty() { String::new() } else { format!(" {}", style(note).dim()) };
        line.bar.set_message(format!("{step} {}{changed}{note}", line.phase));
    }

    fn finish(&mut self, step: &str, mark: &str, text: &str) {
        let Some(line) = self.steps.get(step) else { return };
        line.bar.set_style(ProgressStyle::with_template("{prefix} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar()));
        line.bar.set_prefix(mark.to_owned());
        line.bar.finish_with_message(format!("{step} {text}"));
    }

    fn print(&self, text: &str) {
        // The terminal is gone: the run goes on.
        let _ = self.bars.println(text);
    }
}

impl Default for Tree {
    fn default() -> Self {
        Tree::new()
    }
}

impl Writer for Tree {
    fn write(&mut self, at: Duration, event: &Event<'_>) {
        match event {
            Event::Connecting { message } => self.print(message),
            Event::RunStarted { cluster, steps } => {
                self.print(&format!("booting {}", style(cluster).bold()));
                for step in *steps {
                    let bar = self.bars.add(ProgressBar::new_spinner());
                    bar.set_style(ProgressStyle::with_template("{prefix} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
                    bar.set_prefix("·");
                    bar.set_message((*step).to_owned());
                    self.steps.insert((*step).to_owned(), Line { bar, phase: String::new(), changed: 0 });
                }
            }
            Event::StepStarted { step, .. } => {
                if let Some(line) = self.steps.get(*step) {
                    let style = ProgressStyle::with_template("{spinner:.cyan} {elapsed:>3} {wide_msg}");
                    line.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                    line.bar.reset_elapsed();
                    line.bar.enable_steady_tick(Duration::from_millis(100));
                }
                self.show(step, "");
            }
            Event::PhaseStarted { step, phase } => {
                if let Some(line) = self.steps.get_mut(*step) {
                    line.phase = (*phase).to_owned();
                }
                self.show(step, "");
            }
            Event::PhaseFinished { .. } => {}
            Event::Activity { step, title, note } => self.show(step, &format!("{title} {note}")),
            Event::Waiting { step, pending } => self.show(step, &format!("waiting for {}", pending_text(pending))),
            Event::Explained { step, lines } => lines.iter().for_each(|line| self.print(&format!("{step}: {line}"))),
            Event::Changed { step, .. } => {
                if let Some(line) = self.steps.get_mut(*step) {
                    line.changed += 1;
                }
                self.show(step, "");
            }
            Event::Denied { step, call, what } => self.print(&format!("{} {step}: {call}: {what}", style("denied").yellow())),
            Event::Log { level: Level::Debug, .. } => {}
            Event::Log { step, level, message } => self.print(&format!("{step}: {}: {message}", level.as_str())),
            Event::StepFinished { row, .. } => {
                let text = format!("{} {}", row.result, style(seconds(row.time.unwrap_or_default())).dim());
                self.finish(&row.step, &style("✓").green().to_string(), &text);
            }
            Event::StepFailed { row, message, hints, .. } => {
                self.finish(&row.step, &style("✗").red().to_string(), &style("failed").red().to_string());
                self.print(&format!("{} step {}: {message}", style("error:").red().bold(), row.step));
                for hint in *hints {
                    self.print(&format!("  hint: {hint}"));
                }
            }
            Event::StepSkipped { step, because } => self.finish(step, "-", &format!("not started: {because}")),
            Event::RunFinished { rows, failed, writes, .. } => {
                let result = if *failed { "failed" } else { "done" };
                println!("\n{}\n{result} in {}{}", table(rows), seconds(at), writes_text(*writes));
            }
            Event::Warning { message } => self.print(&format!("{} {message}", style("warning:").yellow())),
        }
    }
}
