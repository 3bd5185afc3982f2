//! Renders: what one execution of templates may use, and what functions can do while it runs.
//!
//! A [`Render`] holds everything that belongs to one rendering and not to the parsed templates: budgets, options and the
//! embedder's state. The nodes themselves are executed in `walk.rs` and `eval.rs`.

use std::any::{Any, TypeId};
use std::sync::Arc;

use crate::error::{Budget, Fault, unplaced_budget};
use crate::live;
use crate::set::TemplateSet;
use crate::stack::{MAX_VALUE_DEPTH, grow};
use crate::value::Value;

/// Says what a missing map key gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// The zero value of the element type (Helm's `missingkey=zero`).
    #[default]
    Zero,
    /// No value (Go's default).
    Invalid,
    /// An error (Helm's strict mode).
    Error,
}

/// Bounds one render; exceeding a bound is [`Fault::Budget`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nodes executed, plus what functions charge for long work.
    pub steps: u64,
    /// Bytes written, in all nested executions together.
    pub output: u64,
    /// Templates nested in one another, by `template` or from functions.
    pub depth: usize,
    /// Bytes of the values that live at the same time. A single value may have a sixteenth of it.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let depth = if cfg!(target_family = "wasm") { 300 } else { 10_000 };
        Limits { steps: 200_000_000, output: 256 << 20, depth, memory: 1 << 30 }
    }
}

/// Is one rendering: options, budgets and the embedder's state.
#[derive(Default)]
pub struct Render {
    pub(crate) missing_key: MissingKey,
    pub(crate) limits: Limits,
    pub(crate) steps: u64,
    pub(crate) output: u64,
    pub(crate) depth: usize,
    live_before: usize,
    pub(crate) interrupt: Option<Box<dyn FnMut() -> bool>>,
    states: Vec<(TypeId, Box<dyn Any>)>,
}

impl Render {
    /// Creates a render with default limits and no state.
    pub fn new() -> Self {
        Render { live_before: live::bytes(), ..Render::default() }
    }

    /// Sets what a missing key gives.
    pub fn missing_key(mut self, missing_key: MissingKey) -> Self {
        self.missing_key = missing_key;
        self
    }

    /// Sets the budgets.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets a callback that is asked now and then; once it returns true the render stops with [`Budget::Interrupted`].
    pub fn interrupt(mut self, interrupt: impl FnMut() -> bool + 'static) -> Self {
        self.interrupt = Some(Box::new(interrupt));
        self
    }

    /// Adds a state that functions reach through [`Call::state`]; one per type.
    pub fn with_state<T: Any>(mut self, state: T) -> Self {
        self.states.retain(|(id, _)| *id != TypeId::of::<T>());
        self.states.push((TypeId::of::<T>(), Box::new(state)));
        self
    }

    /// Returns the state of this type.
    pub fn state<T: Any>(&mut self) -> Option<&mut T> {
        let (_, state) = self.states.iter_mut().find(|(id, _)| *id == TypeId::of::<T>())?;
        state.downcast_mut()
    }

    /// Executes a template by name and returns its output.
    pub fn execute(&mut self, set: &Arc<TemplateSet>, name: &str, data: &Value) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        crate::walk::execute(self, set, name, data, &mut out)?;
        Ok(out)
    }

    /// Charges steps; gives the budget that ran out.
    pub(crate) fn charge(&mut self, steps: u64) -> Result<(), Budget> {
        let before = self.steps;
        self.steps = before.saturating_add(steps);
        if self.steps > self.limits.steps {
            return Err(Budget::Steps);
        }
        if before >> 10 != self.steps >> 10
            && let Some(interrupt) = &mut self.interrupt
            && interrupt()
        {
            return Err(Budget::Interrupted);
        }
        Ok(())
    }
}

impl Render {
    /// Charges the work of a call for the size of its arguments, about as long as the slowest functions take for them.
    pub(crate) fn charge_arguments(&mut self, args: &[Value]) -> Result<(), Budget> {
        let size = args.iter().map(|arg| match arg {
            Value::Str(text) => text.len() / 4,
            Value::List(list) => list.items().len() / 16,
            _ => 0,
        });
        match size.sum::<usize>() {
            0 => Ok(()),
            size => self.charge(size as u64),
        }
    }

    /// Charges for what a call made, which may live or not, and looks whether all that lives is too much.
    pub(crate) fn charge_result(&mut self, value: &Value) -> Result<(), Budget> {
        self.charge(match value {
            Value::Str(text) => text.len() as u64 / 64,
            Value::List(list) => list.items().len() as u64 / 16,
            // Objects of the embedder are not counted while they live.
            Value::Native(_) => 64,
            _ => 0,
        })?;
        if self.live() > self.limits.memory { Err(Budget::Memory) } else { Ok(()) }
    }

    /// Returns how many bytes of values live that did not when the render began.
    fn live(&self) -> u64 {
        live::bytes().saturating_sub(self.live_before) as u64
    }

    /// Tells whether there is room for a value of so many bytes.
    fn has_room(&self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        bytes <= self.limits.memory / 16 && self.live().saturating_add(bytes) <= self.limits.memory
    }

    /// Charges for looking at all of a value, shared parts as often as they are met, and returns whether that is everything: nobody goes
    /// on after what is nested too deep, such as a map in itself.
    fn charge_whole(&mut self, value: &Value, depth: usize, bytes: &mut usize) -> Result<bool, Budget> {
        *bytes += size_of::<Value>() + if let Value::Str(text) = value { text.len() } else { 0 };
        if !self.has_room(*bytes) {
            return Err(Budget::Memory);
        }
        self.charge(1)?;
        if depth > MAX_VALUE_DEPTH {
            return Ok(false);
        }
        match value {
            Value::List(list) => {
                for item in list.items() {
                    if !grow(|| self.charge_whole(item, depth + 1, bytes))? {
                        return Ok(false);
                    }
                }
            }
            Value::Map(map) => {
                for (key, value) in map.entries().iter().flat_map(|entries| entries.iter()) {
                    *bytes += key.len();
                    if !grow(|| self.charge_whole(value, depth + 1, bytes))? {
                        return Ok(false);
                    }
                }
            }
            _ => {}
        }
        Ok(true)
    }
}

/// Is what a function can reach while it is called from a template.
pub struct Call<'r> {
    pub(crate) render: &'r mut Render,
    pub(crate) set: &'r Arc<TemplateSet>,
    /// Whether the first argument is "no value" rather than a nil interface, where only `Type::Reflect` can tell.
    pub(crate) invalid_first: bool,
    /// The first argument of `call` as it stands in the template.
    pub(crate) callee_text: Option<String>,
}

impl Call<'_> {
    /// Returns the set that the calling template belongs to; inside `tpl` that is the overlay.
    pub fn set(&self) -> &Arc<TemplateSet> {
        self.set
    }

    /// Executes a template of the current set and returns its output.
    pub fn execute(&mut self, name: &str, data: &Value) -> Result<Vec<u8>, Fault> {
        self.render.execute(self.set, name, data)
    }

    /// Executes a template of another set, such as an overlay, and returns its output.
    pub fn execute_in(&mut self, set: &Arc<TemplateSet>, name: &str, data: &Value) -> Result<Vec<u8>, Fault> {
        self.render.execute(set, name, data)
    }

    /// Returns the state of this type that was given to the render.
    pub fn state<T: Any>(&mut self) -> Option<&mut T> {
        self.render.state()
    }

    /// Returns what a missing map key gives in this render.
    pub fn missing_key(&self) -> MissingKey {
        self.render.missing_key
    }

    /// Asks for room before something of so many bytes is made.
    pub fn reserve(&mut self, bytes: usize) -> Result<(), Fault> {
        if self.render.has_room(bytes) { Ok(()) } else { Err(unplaced_budget(Budget::Memory)) }
    }

    /// Charges for work on all of a value: what is shared is looked at as often as it is met, and may be far more than it takes up.
    pub fn charge_whole(&mut self, value: &Value) -> Result<(), Fault> {
        match value {
            Value::List(_) | Value::Map(_) => self.render.charge_whole(value, 0, &mut 0).map(|_| ()).map_err(unplaced_budget),
            _ => Ok(()),
        }
    }

    /// Charges the budget for work that grows with its input, about one step a byte or element.
    pub fn charge(&mut self, steps: usize) -> Result<(), Fault> {
        self.render.charge(steps as u64).map_err(unplaced_budget)
    }
}
