//! What a step may use, what it has used, and what is said when that was too much.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;

use crate::engine::TICK;

/// How much a step may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub memory: u64,
    pub cpu: Duration,
    pub call_bytes: u64,
    pub handles: u64,
    pub log_lines: u64,
}

impl Limits {
    /// Returns the defaults with what the manifest says instead.
    pub fn of(step: &bootstrap::Limits) -> Self {
        Limits {
            memory: step.memory.unwrap_or(64 << 20),
            cpu: step.cpu.unwrap_or(Duration::from_secs(10)),
            call_bytes: step.call_bytes.unwrap_or(16 << 20),
            handles: step.handles.unwrap_or(1024),
            log_lines: step.log_lines.unwrap_or(10_000),
        }
    }
}

/// A limit that a module reached.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what}")]
pub struct Exceeded {
    what: String,
    /// The key under `limits:`, if raising it is a way out.
    key: Option<&'static str>,
}

impl Exceeded {
    fn new(key: &'static str, what: String) -> Self {
        Exceeded { what, key: Some(key) }
    }

    /// Returns what is said of a module that computes too long.
    pub fn cpu(limit: Duration) -> Self {
        Exceeded::new("cpu", format!("computed longer than the {limit:?} of its limit `cpu`"))
    }

    /// Returns what is said of a module that drops no handles.
    pub fn handles(limit: u64) -> Self {
        Exceeded::new("handles", format!("holds more handles than the {limit} of its limit `handles`"))
    }

    /// Returns what a person can do.
    pub fn way_out(&self) -> Option<String> {
        let key = self.key?;
        Some(format!("if the module really needs more, raise `limits: {{ {key}: … }}` of the step; else tell its author"))
    }
}

/// Returns the limit behind an error of the engine.
pub fn exceeded(error: &wasmtime::Error, limits: Limits) -> Option<Exceeded> {
    if let Some(exceeded) = error.downcast_ref::<Exceeded>() {
        return Some(exceeded.clone());
    }
    // The engine has no type for this one.
    let bytes = Size(limits.call_bytes);
    let what = || format!("hands over more than the {bytes} of its limit `callBytes` in one call or result");
    error.root_cause().to_string().contains("fuel allocated for hostcalls").then(|| Exceeded::new("callBytes", what()))
}

/// A number of bytes as the manifest writes it.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => write!(f, "{}Mi", bytes >> 20),
            bytes if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => write!(f, "{}Ki", bytes >> 10),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}

/// Counts memory: all linear memories of a module together, its tables, and what the host keeps for it.
pub struct Meter {
    limit: u64,
    memory: u64,
    held: u64,
    table_elements: usize,
    last: u64,
}

/// Elements of all tables together: the functions that are called indirectly.
const MAX_TABLE_ELEMENTS: usize = 200_000;

/// Core instances of a component. What Rust makes has three; interpreters that are linked at run time have one a library.
pub const MAX_INSTANCES: usize = 64;
/// Tables of all instances together.
const MAX_TABLES: usize = 64;
/// Linear memories of all instances together.
const MAX_MEMORIES: usize = 16;

impl Meter {
    pub fn new(limit: u64) -> Self {
        Meter { limit, memory: 0, held: 0, table_elements: 0, last: 0 }
    }

    /// Counts bytes that the host keeps.
    pub fn hold(&mut self, bytes: usize) -> Result<(), Exceeded> {
        self.held = self.held.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.held <= self.limit {
            return Ok(());
        }
        Err(Exceeded::new("memory", format!("makes the host keep more for it than the {} of its limit `memory`", Size(self.limit))))
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.last = u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX);
        let wanted = self.memory.saturating_add(self.last);
        if wanted > self.limit {
            return Err(Exceeded::new("memory", format!("needs more memory than the {} of its limit `memory`", Size(self.limit))).into());
        }
        self.memory = wanted;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory = self.memory.saturating_sub(self.last);
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.table_elements = self.table_elements.saturating_add(desired.saturating_sub(current));
        if self.table_elements > MAX_TABLE_ELEMENTS {
            return Err(Exceeded { what: format!("its tables have more than {MAX_TABLE_ELEMENTS} elements"), key: None }.into());
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}

/// How long a module computed, and how often it was told no. The clock stands still while the host works for it.
pub struct Usage {
    started: Instant,
    /// Nanoseconds after `started`, or [`PAUSED`].
    running_since: AtomicU64,
    /// Nanoseconds, over all phases of the step.
    spent: Arc<AtomicU64>,
    denials: AtomicU64,
}

const PAUSED: u64 = u64::MAX;

/// Between two looks at a running module lies a tick. What is longer was somebody else's: another task's or another program's.
const LONGEST: Duration = Duration::from_millis(10 * TICK.as_millis() as u64);

impl Usage {
    /// Returns a clock that runs.
    pub fn new(spent: Arc<AtomicU64>) -> Self {
        Usage { started: Instant::now(), running_since: AtomicU64::new(0), spent, denials: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(PAUSED - 1)
    }

    fn charge(&self, since: u64, now: u64) {
        if since != PAUSED {
            let longest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
            self.spent.fetch_add(now.saturating_sub(since).min(longest), Ordering::Relaxed);
        }
    }

    /// Stops the clock: the host works.
    pub fn pause(&self) {
        self.charge(self.running_since.swap(PAUSED, Ordering::Relaxed), self.now());
    }

    /// Starts the clock: the module works.
    pub fn resume(&self) {
        self.running_since.store(self.now(), Ordering::Relaxed);
    }

    /// Returns what the module computed up to now.
    pub fn tick(&self) -> Duration {
        let now = self.now();
        self.charge(self.running_since.swap(now, Ordering::Relaxed), now);
        Duration::from_nanos(self.spent.load(Ordering::Relaxed))
    }

    /// Counts a denied call.
    pub fn denied(&self) {
        self.denials.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells whether a module was denied more often than it may write lines.
    pub fn check_denials(&self, limit: u64) -> Result<(), Exceeded> {
        if self.denials.load(Ordering::Relaxed) <= limit {
            return Ok(());
        }
        Err(Exceeded { what: format!("was denied more than {limit} calls and does not give up"), key: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_count_together_and_a_failed_growth_does_not() {
        let mut meter = Meter::new(4 << 20);
        assert!(meter.memory_growing(0, 3 << 20, None).unwrap());
        assert!(meter.memory_growing(0, 1 << 20, None).unwrap());
        meter.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        assert!(meter.memory_growing(3 << 20, 4 << 20, None).unwrap());
        let error = meter.memory_growing(0, 1 << 16, None).unwrap_err();
        let exceeded = exceeded(&error, Limits::of(&bootstrap::Limits::default())).unwrap();
        assert_eq!(exceeded.to_string(), "needs more memory than the 4Mi of its limit `memory`");
        assert!(exceeded.way_out().unwrap().contains("limits: { memory: … }"));
    }

    #[test]
    fn what_the_host_keeps_is_limited() {
        let mut meter = Meter::new(1 << 10);
        meter.hold(1 << 10).unwrap();
        assert!(meter.hold(1).unwrap_err().to_string().contains("1Ki"));
        assert!(meter.hold(usize::MAX).is_err());
    }

    #[test]
    fn a_paused_clock_charges_nothing() {
        let usage = Usage::new(Arc::default());
        usage.charge(PAUSED, 5);
        assert_eq!(usage.spent.load(Ordering::Relaxed), 0);
        usage.charge(1_000, 3_000);
        assert_eq!(usage.spent.load(Ordering::Relaxed), 2_000);
        usage.charge(0, u64::MAX);
        assert_eq!(Duration::from_nanos(usage.spent.load(Ordering::Relaxed)), LONGEST + Duration::from_nanos(2_000));
        usage.pause();
        let before = usage.spent.load(Ordering::Relaxed);
        usage.pause();
        assert_eq!(usage.spent.load(Ordering::Relaxed), before);
    }
}
