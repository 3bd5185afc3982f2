//! One JSON object a line, for machines.

use std::io::Write;
use std::time::Duration;

use super::{Event, Writer};

/// Writes every event as one line.
pub struct JsonLines<W>(pub W);

impl<W: Write + Send> Writer for JsonLines<W> {
    fn write(&mut self, at: Duration, event: &Event<'_>) {
        let mut line = event.to_json();
        line["at"] = u64::try_from(at.as_millis()).unwrap_or(u64::MAX).into();
        // Nobody reads any more: the run goes on.
        let _ = writeln!(self.0, "{line}").and_then(|()| self.0.flush());
    }
}
