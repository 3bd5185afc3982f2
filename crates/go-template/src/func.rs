//! Functions and methods: how they are declared and what they may do while a template runs.
//!
//! A function declares the Go types of its parameters; the executor checks and converts arguments before it calls. Everything
//! that outlives one call (counters, entropy, a clock) lives in the state that the embedder passes to a render.

use crate::error::Fault;
use crate::exec::Call;
use crate::value::Value;

/// Is what a function or method returns.
pub type Outcome = Result<Value, Fault>;

/// Is the Go type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `interface {}`
    Any,
    /// `reflect.Value`: as `Any`, but a literal keeps its own type and nothing is refused.
    Reflect,
    /// `string`
    String,
    /// `bool`
    Bool,
    /// `int`
    Int,
    /// `int64`
    Int64,
    /// `uint32`, which only a literal number is.
    Uint32,
    /// `float64`
    Float64,
    /// `map[string]interface {}`
    Map,
    /// `[]interface {}`
    List,
    /// A type of the embedder, by the name that `%T` prints.
    Named(&'static str),
}

impl Type {
    /// Returns the Go name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Type::Any => "interface {}",
            Type::Reflect => "reflect.Value",
            Type::String => "string",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Int64 => "int64",
            Type::Uint32 => "uint32",
            Type::Float64 => "float64",
            Type::Map => "map[string]interface {}",
            Type::List => "[]interface {}",
            Type::Named(name) => name,
        }
    }
}

/// Declares the parameters of a function.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The parameters that must be given.
    pub fixed: &'static [Type],
    /// The type of further arguments, if there may be any.
    pub variadic: Option<Type>,
}

/// Declares parameters that must all be given.
pub const fn fixed(fixed: &'static [Type]) -> Params {
    Params { fixed, variadic: None }
}

/// Declares parameters with any number of further ones.
pub const fn variadic(fixed: &'static [Type], rest: Type) -> Params {
    Params { fixed, variadic: Some(rest) }
}

/// Is a function that templates can call by name.
///
/// Arguments arrive checked against `params`: a `Type::String` is a `Value::Str`, a `Type::Int` a `Value::Int`, and so on.
#[derive(Clone, Copy)]
pub struct Func {
    /// The name in templates.
    pub name: &'static str,
    /// The parameters.
    pub params: Params,
    /// What it does.
    pub call: fn(&mut Call<'_>, &[Value]) -> Outcome,
}

/// Is a method of a [`Native`](crate::Native) or of a named map type; the receiver comes first.
#[derive(Clone, Copy)]
pub struct Method {
    /// The name in templates.
    pub name: &'static str,
    /// The parameters, without the receiver.
    pub params: Params,
    /// What it does.
    pub call: fn(&mut Call<'_>, &Value, &[Value]) -> Outcome,
}
