//! The parsed form of templates, with variables and functions already resolved.
//!
//! Nodes keep their byte offset, and literals their text, so that an error can print the node as Go does. Trees can be sent between
//! threads, since files are parsed in two.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::complex::Complex;
use crate::func::Func;
use crate::value::{Str, Value};

/// Is one named template.
pub(crate) struct Tree {
    pub name: Str,
    pub source: Arc<Source>,
    pub root: List,
    /// How many variables are alive at most, `$` included.
    pub slots: usize,
}

/// Is the text that templates were parsed from.
pub(crate) struct Source {
    pub name: String,
    pub text: Bytes,
}

impl Source {
    /// Returns the line, counted from one, and the byte offset in it.
    pub(crate) fn place(&self, pos: usize) -> (usize, usize) {
        let before = &self.text[..pos.min(self.text.len())];
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        (line, before.len() - start)
    }
}

impl Tree {
    /// Tells whether there is only blank text; such a definition does not replace another.
    pub(crate) fn is_empty(&self) -> bool {
        self.root.iter().all(|node| match node {
            Node::Text(text) => crate::parse::is_blank(&self.source.text[text.clone()]),
            _ => false,
        })
    }
}

pub(crate) type List = Box<[Node]>;

/// Is the names of a chain of fields. Equal ones of a set are one.
pub(crate) type Path = Arc<[Str]>;

/// Charts have tens of thousands of nodes of which few are executed: they are kept small.
pub(crate) enum Node {
    /// Where in the source it is.
    Text(Range<usize>),
    Action(Box<Pipe>),
    Break,
    Continue,
    If(Box<Branch>),
    With(Box<Branch>),
    Range(Box<Branch>),
    Template(Box<Invoke>),
}

pub(crate) struct Branch {
    pub pos: usize,
    pub pipe: Pipe,
    pub list: List,
    pub otherwise: Option<List>,
}

pub(crate) struct Invoke {
    pub pos: usize,
    pub name: Str,
    pub pipe: Option<Pipe>,
}

/// Is a pipeline, with the variables it declares or assigns.
pub(crate) struct Pipe {
    pub pos: usize,
    pub assigns: bool,
    pub variables: Box<[Variable]>,
    /// Mostly one.
    pub commands: SmallVec<[Command; 1]>,
}

/// Is a variable; no slot means that Go finds none at run time although its parser knew the name.
#[derive(Clone)]
pub(crate) struct Variable {
    pub name: Str,
    pub slot: Option<usize>,
}

pub(crate) struct Command {
    /// Mostly one.
    pub args: SmallVec<[Operand; 1]>,
}

/// Is one operand of a command.
pub(crate) struct Operand {
    pub pos: usize,
    pub kind: OperandKind,
}

pub(crate) enum OperandKind {
    Function { name: Str, function: &'static Func },
    Dot,
    Nil,
    Variable(Variable, Option<Path>),
    Field(Path),
    Chain(Box<Operand>, Path),
    Pipe(Box<Pipe>),
    Bool(bool),
    Number(Box<Number>),
    String { text: Str, written: Written },
}

/// Is how a string was written.
pub(crate) enum Written {
    /// The text between double quotes.
    Quoted,
    /// The text between backquotes.
    Raw,
    /// This.
    Otherwise(Str),
}

/// Is a number literal with all types it can take.
pub(crate) struct Number {
    pub literal: Str,
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
    fn print(&self, out: &mut Vec<u8>);

    fn printed(&self) -> String {
        let mut out = Vec::new();
        self.print(&mut out);
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
    fn print(&self, out: &mut Vec<u8>) {
        for (i, variable) in self.variables.iter().enumerate() {
            if i > 0 {
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(&variable.name);
        }
        if !self.variables.is_empty() {
            out.extend_from_slice(if self.assigns { b" = " } else { b" := " });
        }
        for (i, command) in self.commands.iter().enumerate() {
            if i > 0 {
                out.extend_from_slice(b" | ");
            }
            command.print(out);
        }
    }
}

impl Print for Command {
    fn print(&self, out: &mut Vec<u8>) {
        for (i, arg) in self.args.iter().enumerate() {
            if i > 0 {
                out.push(b' ');
            }
            arg.print(out);
        }
    }
}

impl Print for Operand {
    fn print(&self, out: &mut Vec<u8>) {
        match &self.kind {
            OperandKind::Function { name, .. } => out.extend_from_slice(name),
            OperandKind::Dot => out.push(b'.'),
            OperandKind::Nil => out.extend_from_slice(b"nil"),
            OperandKind::Variable(variable, names) => {
                out.extend_from_slice(&variable.name);
                fields(out, names.as_deref().unwrap_or_default());
            }
            OperandKind::Field(names) => fields(out, names),
            OperandKind::Chain(inner, names) => {
                inner.print(out);
                fields(out, names);
            }
            OperandKind::Pipe(pipe) => {
                out.push(b'(');
                pipe.print(out);
                out.push(b')');
            }
            OperandKind::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
            OperandKind::Number(number) => out.extend_from_slice(&number.literal),
            OperandKind::String { written: Written::Otherwise(literal), .. } => out.extend_from_slice(literal),
            OperandKind::String { text, written } => {
                let mark = if matches!(written, Written::Raw) { b'`' } else { b'"' };
                out.push(mark);
                out.extend_from_slice(text);
                out.push(mark);
            }
        }
    }
}

impl Print for Invoke {
    fn print(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{{template ");
        out.extend_from_slice(crate::quote::quote(&self.name).as_bytes());
        if let Some(pipe) = &self.pipe {
            out.push(b' ');
            pipe.print(out);
        }
        out.extend_from_slice(b"}}");
    }
}
