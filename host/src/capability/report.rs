//! What a person sees of a step. Always granted, never unbounded.

use wasmtime::component::Resource as Handle;

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

fn short(mut text: String) -> String {
    if text.len() > LINE {
        let end = (0..=LINE).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    // A module must not be able to move the cursor or forge lines of the program.
    text.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect()
}

impl report::Host for StepState {
    async fn log(&mut self, level: report::Level, message: String) -> wasmtime::Result<()> {
        let powers = self.enter("report.log")?;
        let Some(left) = self.log_lines_left.checked_sub(1) else { return Ok(()) };
        self.log_lines_left = left;
        let level = match level {
            report::Level::Debug => Level::Debug,
            report::Level::Info => Level::Info,
            report::Level::Warn => Level::Warn,
            report::Level::Error => Level::Error,
        };
        powers.reporter.log(level, &short(message));
        if left == 0 {
            powers.reporter.log(Level::Warn, "further log lines of this phase are dropped: the step's limit is reached");
        }
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
        powers.reporter.activity(&title, "");
        Ok(self.table.push(Activity { title, reporter: powers.reporter })?)
    }

    async fn note(&mut self, this: Handle<Activity>, text: String) -> wasmtime::Result<()> {
        let activity = self.table.get(&this)?;
        activity.reporter.activity(&activity.title, &short(text));
        Ok(())
    }

    async fn drop(&mut self, this: Handle<Activity>) -> wasmtime::Result<()> {
        let activity = self.table.delete(this)?;
        activity.reporter.activity("", "");
        Ok(())
    }
}
