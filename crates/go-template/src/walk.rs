//! The executor of nodes: text, conditions, loops and template calls.
//!
//! Keeps, as Go does, the node that was looked at last; every error is reported there.

use std::sync::Arc;

use crate::ast::{Branch, Command, Invoke, Node, Operand, Pipe, Print, Source, Span, Tree};
use crate::error::{Budget, ExecError, Fault, unplaced_budget};
use crate::exec::Render;
use crate::set::TemplateSet;
use crate::stack::grow;
use crate::value::Value;

/// Executes a template by name into `out`.
pub(crate) fn execute(render: &mut Render, set: &Arc<TemplateSet>, name: &str, data: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
    let Some(tree) = set.tree(name.as_bytes()) else {
        let (name, set) = (crate::quote::quote_text(name), crate::quote::quote_text(set.name()));
        return Err(Fault::Text(format!("template: no template {name} associated with template {set}")));
    };
    let dot = Slot { value: data.clone(), iface: false };
    run(render, set, tree, dot, out)
}

fn run(render: &mut Render, set: &Arc<TemplateSet>, tree: &Tree, dot: Slot, out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut vars = vec![None; tree.slots as usize];
    vars[0] = Some(dot.clone());
    render.depth += 1;
    let mut walker = Walker { render, set, tree, out, vars, node: At::Start };
    let result = if walker.render.depth > walker.render.limits.depth {
        Err(walker.placed(unplaced_budget(Budget::Depth)))
    } else {
        grow(|| walker.list(tree.root, &dot)).map(|_| ())
    };
    render.depth -= 1;
    result
}

/// Is a value with the static type that Go would know: held in an `interface {}` or not.
///
/// `Nil` in an interface is Go's nil interface; `Nil` outside is "no value".
#[derive(Clone)]
pub(crate) struct Slot {
    pub value: Value,
    pub iface: bool,
}

impl Slot {
    pub(crate) fn plain(value: Value) -> Self {
        Slot { value, iface: false }
    }

    pub(crate) fn is_invalid(&self) -> bool {
        !self.iface && self.value.is_nil()
    }
}

/// Is the node that an error is reported at.
#[derive(Clone, Copy)]
pub(crate) enum At<'t> {
    Start,
    Pipe(&'t Pipe),
    Action(&'t Pipe),
    Command(&'t Command),
    Operand(&'t Operand),
    Template(&'t Invoke),
    Branch(&'t Branch),
}

/// Says how a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Done,
    Break,
    Continue,
}

pub(crate) struct Walker<'r, 't> {
    pub render: &'r mut Render,
    pub set: &'r Arc<TemplateSet>,
    pub tree: &'t Tree,
    pub out: &'r mut Vec<u8>,
    pub vars: Vec<Option<Slot>>,
    pub node: At<'t>,
}

impl<'t> Walker<'_, 't> {
    /// Returns the file that the tree is of.
    pub(crate) fn source(&self) -> &'t Source {
        &self.tree.source
    }

    // Errors.

    pub(crate) fn fail<T>(&self, message: impl Into<String>) -> Result<T, Fault> {
        Err(self.fault(message.into(), None))
    }

    pub(crate) fn fault(&self, message: String, cause: Option<Fault>) -> Fault {
        let source = self.source();
        let (pos, node) = match self.node {
            At::Start => (0, String::new()),
            At::Pipe(pipe) => (pipe.pos, pipe.printed(source)),
            At::Action(pipe) => (pipe.pos, format!("{{{{{}}}}}", pipe.printed(source))),
            At::Command(command) => (source.operands(command).first().map_or(0, |operand| operand.pos), command.printed(source)),
            At::Operand(operand) => (operand.pos, operand.printed_alone(source)),
            At::Template(invoke) => (invoke.pos, invoke.printed(source)),
            At::Branch(branch) => (branch.pos, branch.pipe.printed(source)),
        };
        let (line, column) = source.place(pos);
        Fault::Exec(Box::new(ExecError {
            file: source.name.clone(),
            line,
            column,
            template: self.tree.name.to_text().into_owned(),
            node,
            message,
            cause: cause.map(Box::new),
        }))
    }

    /// Gives a budget fault its place, unless an inner template did.
    pub(crate) fn placed(&self, fault: Fault) -> Fault {
        match (fault, self.fault(String::new(), None)) {
            (Fault::Budget { budget, line: 0, detail, .. }, Fault::Exec(here)) => {
                Fault::Budget { budget, template: here.file, line: here.line, detail }
            }
            (fault, _) => fault,
        }
    }

    fn step(&mut self) -> Result<(), Fault> {
        self.render.charge(1).map_err(|budget| self.placed(unplaced_budget(budget)))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.render.output = self.render.output.saturating_add(bytes.len() as u64);
        if self.render.output > self.render.limits.output {
            return Err(self.placed(unplaced_budget(Budget::Output)));
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    // Nodes.

    pub(crate) fn list(&mut self, list: Span, dot: &Slot) -> Result<Signal, Fault> {
        for node in self.source().nodes(list) {
            self.step()?;
            let signal = match node {
                Node::Text(start, end) => {
                    self.write(self.source().between(*start, *end))?;
                    Signal::Done
                }
                Node::Action(pipe) => {
                    let slot = self.pipeline(dot, pipe)?;
                    if pipe.variables.is_empty() {
                        self.node = At::Action(pipe);
                        self.print(&slot.value)?;
                    }
                    Signal::Done
                }
                Node::Break => Signal::Break,
                Node::Continue => Signal::Continue,
                Node::If(branch) => self.condition(branch, dot, false)?,
                Node::With(branch) => self.condition(branch, dot, true)?,
                Node::Range(branch) => grow(|| self.range(branch, dot))?,
                Node::Template(invoke) => {
                    self.template(invoke, dot)?;
                    Signal::Done
                }
            };
            if signal != Signal::Done {
                return Ok(signal);
            }
        }
        Ok(Signal::Done)
    }

    fn print(&mut self, value: &Value) -> Result<(), Fault> {
        match value {
            Value::Nil => self.write(b"<no value>"),
            Value::Str(text) => self.write(text),
            Value::Native(native) if let Some(text) = native.printed() => self.write(&text),
            other => {
                let mut text = Vec::new();
                crate::fmt::print_into(&mut text, other, self.room()).map_err(|_| self.placed(unplaced_budget(Budget::Output)))?;
                self.write(&text)
            }
        }
    }

    fn room(&self) -> usize {
        usize::try_from(self.render.limits.output.saturating_sub(self.render.output)).unwrap_or(usize::MAX)
    }

    fn condition(&mut self, branch: &'t Branch, dot: &Slot, with: bool) -> Result<Signal, Fault> {
        self.node = At::Branch(branch);
        let slot = self.pipeline(dot, &branch.pipe)?;
        if slot.value.truth() {
            let dot = if with { &slot } else { dot };
            return grow(|| self.list(branch.list, dot));
        }
        match branch.otherwise {
            Some(list) => grow(|| self.list(list, dot)),
            None => Ok(Signal::Done),
        }
    }

    fn template(&mut self, invoke: &'t Invoke, dot: &Slot) -> Result<(), Fault> {
        self.node = At::Template(invoke);
        let set = self.set;
        let Some(tree) = set.tree(&invoke.name) else {
            return self.fail(format!("template {} not defined", crate::quote::quote(&invoke.name)));
        };
        let dot = match &invoke.pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Slot::plain(Value::Nil),
        };
        run(self.render, set, tree, dot, self.out)
    }

    fn range(&mut self, branch: &'t Branch, dot: &Slot) -> Result<Signal, Fault> {
        self.node = At::Branch(branch);
        let slot = self.pipeline(dot, &branch.pipe)?;
        let two = self.source().variables(&branch.pipe).len() > 1;
        let ran = match &slot.value {
            Value::Nil => false,
            Value::Int(n, kind) => {
                self.check_one_variable(two, &slot)?;
                let make = |i: u64| Value::Int(i as i64, *kind);
                self.count(branch, u64::try_from(*n).unwrap_or(0), make)?
            }
            Value::Uint(n, kind) => {
                self.check_one_variable(two, &slot)?;
                self.count(branch, *n, |i| Value::Uint(i, *kind))?
            }
            Value::List(list) => {
                let iface = list.kind().holds_interfaces();
                for (i, item) in list.items().iter().enumerate() {
                    let elem = Slot { value: item.clone(), iface };
                    if self.iteration(branch, Slot::plain(Value::int(i as i64)), elem)? == Signal::Break {
                        break;
                    }
                }
                !list.items().is_empty()
            }
            Value::Map(map) => {
                let iface = map.kind().holds_interfaces();
                let entries = map.snapshot();
                let ran = !entries.is_empty();
                for (key, value) in entries {
                    if self.iteration(branch, Slot::plain(Value::Str(key)), Slot { value, iface })? == Signal::Break {
                        break;
                    }
                }
                ran
            }
            Value::Native(native) if native.entries().is_some() => {
                let entries = native.entries().unwrap_or_default();
                let ran = !entries.is_empty();
                for (key, value) in entries {
                    if self.iteration(branch, Slot::plain(key), Slot::plain(value))? == Signal::Break {
                        break;
                    }
                }
                ran
            }
            other => {
                let text = crate::fmt::text_of(other);
                return self.fail(format!("range can't iterate over {}", String::from_utf8_lossy(&text)));
            }
        };
        if let (false, Some(list)) = (ran, branch.otherwise) {
            // A break here belongs to this range as well: Go catches it in the same place.
            return self.list(list, dot).map(|signal| if signal == Signal::Break { Signal::Done } else { signal });
        }
        Ok(Signal::Done)
    }

    fn check_one_variable(&self, two: bool, slot: &Slot) -> Result<(), Fault> {
        if !two {
            return Ok(());
        }
        let text = crate::fmt::text_of(&slot.value);
        self.fail(format!("can't use {} to iterate over more than one variable", String::from_utf8_lossy(&text)))
    }

    fn count(&mut self, branch: &'t Branch, end: u64, make: impl Fn(u64) -> Value) -> Result<bool, Fault> {
        for i in 0..end {
            if self.iteration(branch, Slot::plain(Value::Nil), Slot::plain(make(i)))? == Signal::Break {
                break;
            }
        }
        Ok(end > 0)
    }

    fn iteration(&mut self, branch: &'t Branch, index: Slot, elem: Slot) -> Result<Signal, Fault> {
        self.step()?;
        let pipe = &branch.pipe;
        match self.source().variables(pipe) {
            [] => {}
            [one] => self.set_variable(pipe.assigns, one, elem.clone())?,
            [first, second, ..] => {
                self.set_variable(pipe.assigns, first, index)?;
                self.set_variable(pipe.assigns, second, elem.clone())?;
            }
        }
        self.list(branch.list, &elem)
    }
}
