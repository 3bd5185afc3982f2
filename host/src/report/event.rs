//! What happens in a run.

use std::time::Duration;

use kube_engine::Change;
use kube_engine::wait::Pending;
use serde_json::{Value, json};

use super::Counts;

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }
}

/// One line of the closing table.
#[derive(Debug, Clone)]
pub struct Row {
    pub step: String,
    pub release: Option<String>,
    /// `name version`.
    pub chart: Option<String>,
    pub revision: Option<u64>,
    pub counts: Counts,
    /// None: the step was not started.
    pub time: Option<Duration>,
    /// `done`, `unchanged`, `failed` or `not started`.
    pub result: &'static str,
}

/// One thing that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// What has to be there before a run can start.
    Connecting {
        message: &'a str,
    },
    RunStarted {
        cluster: &'a str,
        steps: &'a [&'a str],
    },
    StepStarted {
        step: &'a str,
        module: &'a str,
        release: Option<&'a str>,
    },
    PhaseStarted {
        step: &'a str,
        phase: &'a str,
    },
    PhaseFinished {
        step: &'a str,
        phase: &'a str,
        took: Duration,
    },
    Activity {
        step: &'a str,
        title: &'a str,
        note: &'a str,
    },
    Waiting {
        step: &'a str,
        pending: &'a [Pending],
    },
    /// Why a wait ended without what it waited for: what the cluster says, a line each.
    Explained {
        step: &'a str,
        lines: &'a [String],
    },
    Changed {
        step: &'a str,
        change: &'a Change,
    },
    Denied {
        step: &'a str,
        call: &'a str,
        what: &'a str,
    },
    Log {
        step: &'a str,
        level: Level,
        message: &'a str,
    },
    StepFinished {
        row: &'a Row,
        cpu: Duration,
    },
    StepFailed {
        row: &'a Row,
        blame: &'a str,
        message: &'a str,
        hints: &'a [String],
    },
    StepSkipped {
        step: &'a str,
        because: &'a str,
    },
    /// `writes` counts the writing requests of a sandbox run.
    RunFinished {
        rows: &'a [Row],
        took: Duration,
        failed: bool,
        writes: Option<usize>,
    },
    Warning {
        message: &'a str,
    },
}

impl Event<'_> {
    /// Returns the event as the documented JSON object.
    pub fn to_json(&self) -> Value {
        match self {
            Event::Connecting { message } => json!({ "event": "connecting", "message": message }),
            Event::RunStarted { cluster, steps } => json!({ "event": "run-started", "cluster": cluster, "steps": steps }),
            Event::StepStarted { step, module, release } => {
                json!({ "event": "step-started", "step": step, "module": module, "release": release })
            }
            Event::PhaseStarted { step, phase } => json!({ "event": "phase-started", "step": step, "phase": phase }),
            Event::PhaseFinished { step, phase, took } => {
                json!({ "event": "phase-finished", "step": step, "phase": phase, "ms": ms(*took) })
            }
            Event::Activity { step, title, note } => json!({ "event": "activity", "step": step, "title": title, "note": note }),
            Event::Waiting { step, pending } => {
                let line = |pending: &Pending| json!({ "object": pending.object.to_string(), "condition": pending.condition, "reason": pending.reason });
                json!({ "event": "waiting", "step": step, "pending": pending.iter().map(line).collect::<Vec<_>>() })
            }
            Event::Explained { step, lines } => json!({ "event": "explained", "step": step, "lines": lines }),
            Event::Changed { step, change } => json!({
                "event": "changed", "step": step, "action": change.action.as_str(), "apiVersion": change.object.api_version,
                "kind": change.object.kind, "namespace": change.object.namespace, "name": change.object.name,
            }),
            Event::Denied { step, call, what } => json!({ "event": "denied", "step": step, "call": call, "what": what }),
            Event::Log { step, level, message } => json!({ "event": "log", "step": step, "level": level.as_str(), "message": message }),
            Event::StepFinished { row, cpu } => {
                let mut value = row.to_json();
                value["event"] = "step-finished".into();
                value["cpuMs"] = ms(*cpu).into();
                value
            }
            Event::StepFailed { row, blame, message, hints } => {
                let mut value = row.to_json();
                value["event"] = "step-failed".into();
                value["blame"] = (*blame).into();
                value["message"] = (*message).into();
                value["hints"] = json!(hints);
                value
            }
            Event::StepSkipped { step, because } => json!({ "event": "step-skipped", "step": step, "because": because }),
            Event::RunFinished { rows, took, failed, writes } => {
                let rows: Vec<Value> = rows.iter().map(Row::to_json).collect();
                json!({ "event": "run-finished", "steps": rows, "ms": ms(*took), "failed": failed, "writes": writes })
            }
            Event::Warning { message } => json!({ "event": "warning", "message": message }),
        }
    }
}

impl Row {
    fn to_json(&self) -> Value {
        let counts: serde_json::Map<String, Value> =
            self.counts.iter().map(|(action, count)| (action.as_str().to_owned(), (*count).into())).collect();
        json!({
            "step": self.step, "release": self.release, "chart": self.chart, "revision": self.revision,
            "objects": counts, "ms": self.time.map(ms), "result": self.result,
        })
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
