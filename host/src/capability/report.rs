//! What a person sees of a step. Always granted, never unbounded.

use wasmtime::component::Resource as Handle;

use super::Call;
use crate::bindings::launchway::bootstrap::report;
use crate::module::StepState;
use crate::report::{Level, StepReporter};

/// Something shown as going on.
pub struct Activity {
    title: String,
    reporter: StepReporter,
}

/// Longer lines are cut: a log line is for reading.
const LINE: usize = 8 << 10;

fn short(text: String) -> String {
    let text = cut(text, LINE);
    // A module must not be able to move the cursor or forge lines of the program.
    text.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect()
}

/// Shortens a text that a module made up.
fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
    text
}

/// Returns the words of a module's failure: lines are kept, and cannot be taken for lines of the program.
pub fn message(text: String) -> String {
    let text = cut(text, 8 * LINE);
    let lines = text.lines().map(|line| line.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect::<String>());
    lines.collect::<Vec<_>>().join("\n    ")
}

impl StepState {
    /// Counts a line that a person is shown; false when the step has had its share.
    fn may_show(&mut self, powers: &Call) -> bool {
        let Some(left) = self.log_lines_left.checked_sub(1) else { return false };
        self.log_lines_left = left;
        if left == 0 {
            let text = "the limit of the step is reached: further log lines and notes of this phase are dropped; raise `limits: { logLines: … }` to see them";
            powers.reporter.log(Level::Warn, text);
        }
        left > 0
    }
}

impl report::Host for StepState {
    async fn log(&mut self, level: report::Level, message: String) -> wasmtime::Result<()> {
        let powers = self.enter("report.log")?;
        if !self.may_show(&powers) {
            return Ok(());
        }
        let level = match level {
            report::Level::Debug => Level::Debug,
            report::Level::Info => Level::Info,
            report::Level::Warn => Level::Warn,
            report::Level::Error => Level::Error,
        };
        powers.reporter.log(level, &short(message));
        Ok(())
    }

    async fn panicked(&mut self, message: String, location: String) -> wasmtime::Result<()> {
        // Not noted as the call that went on: the one before is what the reader wants to know.
        self.panicked = Some((short(message), short(location)));
        Ok(())
    }
}

impl report::HostActivity for StepState {
    async fn new(&mut self, title: String) -> wasmtime::Result<Handle<Activity>> {
        let powers = self.enter("report.activity")?;
        let title = short(title);
        if self.may_show(&powers) {
            powers.reporter.activity(&title, "");
        }
        self.push(Activity { title, reporter: powers.reporter.clone() })
    }

    async fn note(&mut self, this: Handle<Activity>, text: String) -> wasmtime::Result<()> {
        let powers = self.enter("report.note")?;
        if self.may_show(&powers) {
            let activity = self.table.get(&this)?;
            activity.reporter.activity(&activity.title, &short(text));
        }
        Ok(())
    }

    async fn drop(&mut self, this: Handle<Activity>) -> wasmtime::Result<()> {
        let activity = self.table.delete(this)?;
        if self.log_lines_left > 0 {
            activity.reporter.activity("", "");
        }
        Ok(())
    }
}
