//! The parsed form of templates, with variables and functions already resolved.
//!
//! Nodes keep their place in the source, so that an error can print the node as Go does. Trees can be sent between threads, since files
//! are parsed in two. Charts have tens of thousands of nodes of which few are executed: they are kept small, and those of a file together.

use std::sync::Arc;

use bytes::Bytes;

use crate::complex::Complex;
use crate::func::Func;
use crate::value::{Str, Value};

/// Is one named template.
pub(crate) struct Tree {
    pub name: Str,
    pub source: Arc<Source>,
    pub root: Span,
    /// How many variables are alive at most, `$` included.
    pub slots: u32,
}

/// Is a file: the text that templates were parsed from, and what all of them are made of.
pub(crate) struct Source {
    pub name: String,
    pub text: Bytes,
    pub nodes: Vec<Node>,
    pub commands: Vec<Command>,
    pub operands: Vec<Operand>,
    pub variables: Vec<Variable>,
}

/// Is where a list of one kind lies in the one of the whole file.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub start: Pos,
    pub end: Pos,
}

impl Span {
    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }

    fn of<T>(self, all: &[T]) -> &[T] {
        &all[self.start as usize..self.end as usize]
    }
}

impl Source {
    pub(crate) fn nodes(&self, list: Span) -> &[Node] {
        list.of(&self.nodes)
    }

    pub(crate) fn variables(&self, pipe: &Pipe) -> &[Variable] {
        pipe.variables.of(&self.variables)
    }

    pub(crate) fn commands(&self, pipe: &Pipe) -> &[Command] {
        pipe.commands.of(&self.commands)
    }

    /// Returns the operands of a command, of which there is one at least.
    pub(crate) fn operands(&self, command: &Command) -> &[Operand] {
        command.operands.of(&self.operands)
    }

    /// Tells whether there is only blank text; such a definition does not replace another.
    pub(crate) fn is_blank(&self, list: Span) -> bool {
        self.nodes(list).iter().all(|node| match node {
            Node::Text(start, end) => {
                std::str::from_utf8(self.between(*start, *end)).is_ok_and(|text| text.chars().all(char::is_whitespace))
            }
            _ => false,
        })
    }

    /// Returns the text from one place to another.
    pub(crate) fn between(&self, start: Pos, end: Pos) -> &[u8] {
        &self.text[start as usize..end as usize]
    }

    /// Returns the line of a place, counted from one, and the byte offset in it.
    pub(crate) fn place(&self, pos: Pos) -> (usize, usize) {
        let before = self.between(0, pos);
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        (line, before.len() - start)
    }
}

impl Tree {
    /// See [`Source::is_blank`].
    pub(crate) fn is_blank(&self) -> bool {
        self.source.is_blank(self.root)
    }
}

/// Is the names of a chain of fields. Equal ones of a set are one.
pub(crate) type Path = Arc<[Str]>;

/// Is a byte of the source.
pub(crate) type Pos = u32;

pub(crate) enum Node {
    /// The text from one place to the other.
    Text(Pos, Pos),
    Action(Pipe),
    Break,
    Continue,
    If(Box<Branch>),
    With(Box<Branch>),
    Range(Box<Branch>),
    Template(Box<Invoke>),
}

pub(crate) struct Branch {
    pub pos: Pos,
    pub pipe: Pipe,
    pub list: Span,
    pub otherwise: Option<Span>,
}

pub(crate) struct Invoke {
    pub pos: Pos,
    pub name: Str,
    pub pipe: Option<Pipe>,
}

/// Is a pipeline, with the variables it declares or assigns.
pub(crate) struct Pipe {
    pub pos: Pos,
    pub assigns: bool,
    pub variables: Span,
    pub commands: Span,
}

/// Is a variable; no slot means that Go finds none at run time although its parser knew the name.
#[derive(Clone)]
pub(crate) struct Variable {
    pub name: Str,
    pub slot: Option<u32>,
}

pub(crate) struct Command {
    pub operands: Span,
}

/// Is one operand of a command.
pub(crate) struct Operand {
    pub pos: Pos,
    /// Where a literal ends.
    pub end: Pos,
    pub kind: OperandKind,
}

pub(crate) enum OperandKind {
    Function(&'static Func),
    Dot,
    Nil,
    Variable(Variable),
    /// A variable and fields of it.
    Member(Box<(Variable, Path)>),
    Field(Path),
    Chain(Box<Operand>, Path),
    Pipe(Box<Pipe>),
    Bool(bool),
    Number(Arc<Number>),
    String(Str),
}

/// Is a number literal with all types it can take.
pub(crate) struct Number {
    pub int: Option<i64>,
    pub uint: Option<u64>,
    pub float: Option<f64>,
    /// The value where nothing asks for a type; `None` overflows `int`.
    pub ideal: Option<Ideal>,
}

/// Is the value of a number literal.
#[derive(Clone, Copy)]
pub(crate) enum Ideal {
    Int(i64),
    Float(f64),
    Complex(Complex),
}

impl Ideal {
    pub(crate) fn value(self) -> Value {
        match self {
            Ideal::Int(int) => Value::int(int),
            Ideal::Float(float) => Value::Float(float),
            Ideal::Complex(complex) => Value::native(complex),
        }
    }
}

/// Appends the node as Go prints it.
pub(crate) trait Print {
    fn print(&self, source: &Source, out: &mut Vec<u8>);

    fn printed(&self, source: &Source) -> String {
        let mut out = Vec::new();
        self.print(source, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

fn fields(out: &mut Vec<u8>, names: &[Str]) {
    for name in names {
        out.push(b'.');
        out.extend_from_slice(name);
    }
}

impl Print for Pipe {
    fn print(&self, source: &Source, out: &mut Vec<u8>) {
        for (i, variable) in source.variables(self).iter().enumerate() {
            if i > 0 {
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(&variable.name);
        }
        if !self.variables.is_empty() {
            out.extend_from_slice(if self.assigns { b" = " } else { b" := " });
        }
        for (i, command) in source.commands(self).iter().enumerate() {
            if i > 0 {
                out.extend_from_slice(b" | ");
            }
            command.print(source, out);
        }
    }
}

impl Print for Command {
    fn print(&self, source: &Source, out: &mut Vec<u8>) {
        for (i, operand) in source.operands(self).iter().enumerate() {
            if i > 0 {
                out.push(b' ');
            }
            operand.print(source, out);
        }
    }
}

impl Print for Operand {
    fn print(&self, source: &Source, out: &mut Vec<u8>) {
        match &self.kind {
            OperandKind::Function(function) => out.extend_from_slice(function.name.as_bytes()),
            OperandKind::Dot => out.push(b'.'),
            OperandKind::Nil => out.extend_from_slice(b"nil"),
            OperandKind::Variable(variable) => out.extend_from_slice(&variable.name),
            OperandKind::Member(member) => {
                out.extend_from_slice(&member.0.name);
                fields(out, &member.1);
            }
            OperandKind::Field(names) => fields(out, names),
            OperandKind::Chain(inner, names) => {
                inner.print(source, out);
                fields(out, names);
            }
            OperandKind::Pipe(pipe) => {
                out.push(b'(');
                pipe.print(source, out);
                out.push(b')');
            }
            OperandKind::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
            OperandKind::Number(_) | OperandKind::String(_) => out.extend_from_slice(source.between(self.pos, self.end)),
        }
    }
}

impl Print for Invoke {
    fn print(&self, source: &Source, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{{template ");
        out.extend_from_slice(crate::quote::quote(&self.name).as_bytes());
        if let Some(pipe) = &self.pipe {
            out.push(b' ');
            pipe.print(source, out);
        }
        out.extend_from_slice(b"}}");
    }
}
