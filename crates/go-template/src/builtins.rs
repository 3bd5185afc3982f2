//! The functions that Go's text/template defines itself.

use std::cmp::Ordering;

use crate::error::Fault;
use crate::exec::Call;
use crate::fmt;
use crate::func::{Func, Outcome, Type, fixed, variadic};
use crate::value::{Kind, List, Map, MapKind, UintKind, Value};

const fn func(name: &'static str, params: crate::func::Params, call: fn(&mut Call<'_>, &[Value]) -> Outcome) -> Func {
    Func { name, params, call }
}

/// The functions that are always there.
pub(crate) const FUNCS: &[Func] = &[
    func("and", variadic(&[Type::Reflect], Type::Reflect), decided),
    func("call", variadic(&[Type::Reflect], Type::Reflect), call),
    func("eq", variadic(&[Type::Reflect], Type::Reflect), eq),
    func("ge", fixed(&[Type::Reflect, Type::Reflect]), |_, args| lt(args).map(|less| Value::Bool(!less))),
    func("gt", fixed(&[Type::Reflect, Type::Reflect]), |_, args| le(args).map(|less| Value::Bool(!less))),
    func("html", variadic(&[], Type::Any), |call, args| escape(call, args, html)),
    func("index", variadic(&[Type::Reflect], Type::Reflect), index),
    func("js", variadic(&[], Type::Any), |call, args| escape(call, args, js)),
    func("le", fixed(&[Type::Reflect, Type::Reflect]), |_, args| le(args).map(Value::Bool)),
    func("len", fixed(&[Type::Reflect]), len),
    func("lt", fixed(&[Type::Reflect, Type::Reflect]), |_, args| lt(args).map(Value::Bool)),
    func("ne", fixed(&[Type::Reflect, Type::Reflect]), |_, args| Ok(Value::Bool(!equal_any(&args[0], &args[1..])?))),
    func("not", fixed(&[Type::Reflect]), |_, args| Ok(Value::Bool(!args[0].truth()))),
    func("or", variadic(&[Type::Reflect], Type::Reflect), decided),
    func("print", variadic(&[], Type::Any), |call, args| call.text(|| fmt::sprint(args))),
    func("printf", variadic(&[Type::String], Type::Any), printf),
    func("println", variadic(&[], Type::Any), |call, args| call.text(|| fmt::sprintln(args))),
    func("slice", variadic(&[Type::Reflect], Type::Reflect), slice),
    func("urlquery", variadic(&[], Type::Any), |call, args| escape(call, args, urlquery)),
];

/// Is never reached with more than it can decide: the executor evaluates `and` and `or` itself.
fn decided(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    Ok(args.last().cloned().unwrap_or_default())
}

fn printf(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let format = args[0].as_bytes().unwrap_or_default();
    call.text(|| fmt::sprintf(format, &args[1..]))
}

fn call(context: &mut Call<'_>, args: &[Value]) -> Outcome {
    if args[0].is_nil() {
        return Err("call of nil".into());
    }
    let name = context.callee_text.take().unwrap_or_else(|| match &args[0] {
        Value::Str(text) => text.to_text().into_owned(),
        other => format!("<{} Value>", other.type_name()),
    });
    Err(Fault::Text(format!("non-function {name} of type {}", args[0].type_name())))
}

fn len(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let len = match &args[0] {
        Value::Nil if call.invalid_first => return Err("reflect: call of reflect.Value.Type on zero Value".into()),
        Value::Nil => return Err("len of nil pointer".into()),
        Value::Str(text) => text.len(),
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.len(),
        Value::Native(native) => match native.len() {
            Some(len) => len,
            None => return Err(Fault::Text(format!("len of type {}", native.type_name().trim_start_matches('*')))),
        },
        other => return Err(Fault::Text(format!("len of type {}", other.type_name()))),
    };
    Ok(Value::int(len as i64))
}

fn index_arg(index: &Value, cap: usize) -> Result<usize, Fault> {
    let x = match index {
        Value::Int(n, _) => *n,
        Value::Uint(n, _) => i64::try_from(*n).unwrap_or(i64::MAX),
        Value::Nil => return Err("cannot index slice/array with nil".into()),
        other => return Err(Fault::Text(format!("cannot index slice/array with type {}", other.type_name()))),
    };
    match usize::try_from(x) {
        Ok(i) if i <= cap => Ok(i),
        _ => Err(Fault::Text(format!("index out of range: {x}"))),
    }
}

fn index(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    let mut item = args[0].clone();
    if item.is_nil() {
        return Err("index of untyped nil".into());
    }
    for index in &args[1..] {
        item = match &item {
            Value::Nil => return Err("index of nil pointer".into()),
            Value::Str(text) => {
                let i = element_arg(index, text.len())?;
                Value::Uint(u64::from(text[i]), UintKind::Uint8)
            }
            Value::List(list) => list.items()[element_arg(index, list.items().len())?].clone(),
            Value::Map(map) => map_entry(map, index)?,
            Value::Native(native) => {
                let missing = || Fault::Text(format!("can't index item of type {}", native.type_name()));
                let entries = native.entries().ok_or_else(missing)?;
                if native.kind() == Kind::Slice {
                    let i = element_arg(index, entries.len())?;
                    entries[i].1.clone()
                } else {
                    key_arg(index)?;
                    let found = entries.into_iter().find(|(key, _)| deep_equal_keys(key, index));
                    found.map(|(_, value)| value).unwrap_or_default()
                }
            }
            other => return Err(Fault::Text(format!("can't index item of type {}", other.type_name()))),
        };
    }
    Ok(item)
}

fn deep_equal_keys(a: &Value, b: &Value) -> bool {
    matches!((a, b), (Value::Str(a), Value::Str(b)) if a == b)
}

fn element_arg(index: &Value, len: usize) -> Result<usize, Fault> {
    let i = index_arg(index, len)?;
    // Go lets the length itself through here and then panics inside of reflect.
    if i == len { Err("reflect: slice index out of range".into()) } else { Ok(i) }
}

fn key_arg(index: &Value) -> Result<&[u8], Fault> {
    match index {
        Value::Str(key) => Ok(key),
        Value::Nil => Err("value is nil; should be of type string".into()),
        other => Err(Fault::Text(format!("value has type {}; should be string", other.type_name()))),
    }
}

fn map_entry(map: &Map, index: &Value) -> Result<Value, Fault> {
    let missing = if matches!(map.kind(), MapKind::Strings) { Value::str("") } else { Value::Nil };
    Ok(map.get(key_arg(index)?).unwrap_or(missing))
}

fn slice(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    let len = match &args[0] {
        Value::Nil => return Err("slice of untyped nil".into()),
        Value::Str(text) => text.len(),
        Value::List(list) => list.items().len(),
        other => return Err(Fault::Text(format!("can't slice item of type {}", other.type_name()))),
    };
    let indexes = &args[1..];
    if indexes.len() > 3 {
        return Err(Fault::Text(format!("too many slice indexes: {}", indexes.len())));
    }
    if indexes.len() == 3 && matches!(args[0], Value::Str(_)) {
        return Err("cannot 3-index slice a string".into());
    }
    let mut bounds = [0, len, len];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = index_arg(index, len)?;
    }
    let [from, to, cap] = bounds;
    if from > to {
        return Err(Fault::Text(format!("invalid slice index: {from} > {to}")));
    }
    if indexes.len() == 3 && to > cap {
        return Err(Fault::Text(format!("invalid slice index: {to} > {cap}")));
    }
    Ok(match &args[0] {
        Value::Str(text) => Value::str(&text[from..to]),
        Value::List(list) => Value::List(List::new(list.kind(), list.items()[from..to].to_vec())),
        other => other.clone(),
    })
}

// Comparison.

#[derive(Clone, Copy, PartialEq, Eq)]
enum Basic {
    Invalid,
    Bool,
    Int,
    Float,
    String,
    Uint,
}

fn basic(value: &Value) -> Basic {
    match value.kind() {
        Kind::Bool => Basic::Bool,
        Kind::Int(_) => Basic::Int,
        Kind::Uint(_) => Basic::Uint,
        Kind::Float64 => Basic::Float,
        Kind::String => Basic::String,
        _ => Basic::Invalid,
    }
}

fn eq(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    if args.len() == 1 {
        return Err("missing argument for comparison".into());
    }
    Ok(Value::Bool(equal_any(&args[0], &args[1..])?))
}

fn equal_any(first: &Value, others: &[Value]) -> Result<bool, Fault> {
    for other in others {
        if equal(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_nil(value: &Value) -> bool {
    match value {
        Value::Nil => true,
        Value::List(list) => list.is_nil(),
        Value::Map(map) => map.is_nil(),
        _ => false,
    }
}

fn equal(a: &Value, b: &Value) -> Result<bool, Fault> {
    // Go prints the value itself with %s here, whatever it holds.
    let shown = |value: &Value, format: &[u8]| {
        let text = fmt::sprintf(format, std::slice::from_ref(value)).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    };
    let text = |value: &Value| shown(value, b"%s");
    Ok(match (a, b) {
        (Value::Int(a, _), Value::Uint(b, _)) => u64::try_from(*a) == Ok(*b),
        (Value::Uint(a, _), Value::Int(b, _)) => u64::try_from(*b) == Ok(*a),
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a, _), Value::Int(b, _)) => a == b,
        (Value::Uint(a, _), Value::Uint(b, _)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Str(a), Value::Str(b)) => a == b,
        _ if basic(a) != basic(b) => {
            if a.is_nil() || b.is_nil() {
                return Ok(false);
            }
            return Err(Fault::Text(format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name())));
        }
        _ if !a.is_nil() && !b.is_nil() && a.kind() != b.kind() => {
            let (a_type, b_type) = (a.type_name(), b.type_name());
            return Err(Fault::Text(format!("non-comparable types {}: {a_type}, {b_type}: {}", text(a), shown(b, b"%v"))));
        }
        _ if is_nil(a) || is_nil(b) => is_nil(a) == is_nil(b),
        (_, Value::Native(b)) if !matches!(b.kind(), Kind::Slice | Kind::Map) => match a {
            Value::Native(a) => a.type_name() == b.type_name() && a.equals(&**b),
            _ => false,
        },
        _ => return Err(Fault::Text(format!("non-comparable type {}: {}", text(b), b.type_name()))),
    })
}

fn lt(args: &[Value]) -> Result<bool, Fault> {
    Ok(compare(&args[0], &args[1])? == Some(Ordering::Less))
}

fn le(args: &[Value]) -> Result<bool, Fault> {
    Ok(matches!(compare(&args[0], &args[1])?, Some(Ordering::Less | Ordering::Equal)))
}

/// Compares; nothing for NaN.
fn compare(a: &Value, b: &Value) -> Result<Option<Ordering>, Fault> {
    if basic(a) == Basic::Invalid || basic(b) == Basic::Invalid || basic(a) == Basic::Bool && basic(b) == Basic::Bool {
        return Err("invalid type for comparison".into());
    }
    Ok(match (a, b) {
        (Value::Int(a, _), Value::Int(b, _)) => Some(a.cmp(b)),
        (Value::Uint(a, _), Value::Uint(b, _)) => Some(a.cmp(b)),
        (Value::Int(a, _), Value::Uint(b, _)) => Some(u64::try_from(*a).map_or(Ordering::Less, |a| a.cmp(b))),
        (Value::Uint(a, _), Value::Int(b, _)) => Some(u64::try_from(*b).map_or(Ordering::Greater, |b| a.cmp(&b))),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Str(a), Value::Str(b)) => Some(a.cmp(b)),
        _ => return Err(Fault::Text(format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name()))),
    })
}

// Escaping.

fn escape(call: &mut Call<'_>, args: &[Value], escaper: fn(&[u8]) -> Vec<u8>) -> Outcome {
    call.text(|| match args {
        [Value::Str(text)] => Ok(escaper(text)),
        // "No value" prints so only here; print itself says <nil>.
        [Value::Nil] => Ok(escaper(b"<no value>")),
        _ => {
            let shown = |arg: &Value| if arg.is_nil() { Value::str("<no value>") } else { arg.clone() };
            fmt::sprint(&args.iter().map(shown).collect::<Vec<_>>()).map(|text| escaper(&text))
        }
    })
}

fn html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            byte => out.push(*byte),
        }
    }
    out
}

fn js(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (c, part) in crate::quote::chars(text) {
        match c {
            Some('\\') => out.extend_from_slice(b"\\\\"),
            Some('\'') => out.extend_from_slice(b"\\'"),
            Some('"') => out.extend_from_slice(b"\\\""),
            Some('<') => out.extend_from_slice(b"\\u003C"),
            Some('>') => out.extend_from_slice(b"\\u003E"),
            Some('&') => out.extend_from_slice(b"\\u0026"),
            Some('=') => out.extend_from_slice(b"\\u003D"),
            Some(c) if c < ' ' => out.extend_from_slice(format!("\\u00{:02X}", c as u32).as_bytes()),
            Some(c) if c.is_ascii() || crate::quote::is_print(c) => out.extend_from_slice(part),
            Some(c) => out.extend_from_slice(format!("\\u{:04X}", c as u32).as_bytes()),
            // U+FFFD is printable, and Go writes the original byte then.
            None => out.extend_from_slice(part),
        }
    }
    out
}

fn urlquery(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b' ' => out.push(b'+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(*byte),
            byte => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    out
}

impl Call<'_> {
    /// Makes a string of what a printing function gives, and charges its length.
    fn text(&mut self, print: impl FnOnce() -> Result<Vec<u8>, fmt::TooLarge>) -> Outcome {
        let text = print().map_err(|error| Fault::Text(error.to_string()))?;
        self.charge(text.len() / 64)?;
        Ok(Value::str(text))
    }
}

/// Tells whether two values are deeply equal as `reflect.DeepEqual` sees them: types count, so `int 1` is not `float64 1`.
pub fn deep_equal(a: &Value, b: &Value) -> bool {
    equal_deeply(a, b, 0)
}

fn equal_deeply(a: &Value, b: &Value, depth: usize) -> bool {
    if depth > crate::stack::MAX_VALUE_DEPTH {
        return false;
    }
    match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a, a_kind), Value::Int(b, b_kind)) => a == b && a_kind == b_kind,
        (Value::Uint(a, a_kind), Value::Uint(b, b_kind)) => a == b && a_kind == b_kind,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            let same_shape = a.kind() == b.kind() && a.is_nil() == b.is_nil() && a.items().len() == b.items().len();
            same_shape && a.items().iter().zip(b.items()).all(|(a, b)| crate::stack::grow(|| equal_deeply(a, b, depth + 1)))
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.kind().name() != b.kind().name() || a.is_nil() != b.is_nil() || a.len() != b.len() {
                return false;
            }
            if a.is_same(b) {
                return true;
            }
            let (a, b) = (a.snapshot(), b.snapshot());
            a.iter().zip(&b).all(|((ak, av), (bk, bv))| ak == bk && crate::stack::grow(|| equal_deeply(av, bv, depth + 1)))
        }
        (Value::Native(a), Value::Native(b)) => a.type_name() == b.type_name() && a.equals(&**b),
        _ => false,
    }
}
