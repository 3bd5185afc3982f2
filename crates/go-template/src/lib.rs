//! Go text/template: value model, lexer, parser, executor, fmt verbs.
//!
//! Knows no YAML and no chart. Mirrors Go 1.26, including its error texts, because charts and their users compare them.
//!
//! Parse files into a [`TemplateSet`], wrap it in an `Arc`, then [`Render::execute`] as often as wanted. Functions are static
//! tables of [`Func`]; they receive a [`Call`] through which they execute other templates and reach the embedder's state.

mod ast;
pub mod both;
mod builtins;
mod complex;
mod error;
mod eval;
mod exec;
pub mod float;
pub mod fmt;
mod func;
mod json;
mod lex;
mod live;
pub mod number;
pub mod order;
mod parse;
pub mod quote;
mod set;
mod stack;
mod value;
mod walk;

pub use builtins::deep_equal;
pub use error::{Budget, ExecError, Fault, ParseError};
pub use exec::{Call, Limits, MissingKey, Render};
pub use func::{Func, Method, Outcome, Params, Type, fixed, variadic};
pub use set::{Ahead, Functions, TemplateSet};
pub use value::{Entries, IntKind, Kind, List, ListKind, Map, MapKind, NamedMap, Native, Str, UintKind, Value};
