//! Reading arguments and making results, for all function modules.
//!
//! Arguments were checked by the executor before a function is called, so the accessors fall back to zero values instead of failing.

use go_template::{Call, Fault, Func, Kind, List, Map, Outcome, Params, Str, Value, fmt};

/// Declares a function.
pub(crate) const fn func(name: &'static str, params: Params, call: fn(&mut Call<'_>, &[Value]) -> Outcome) -> Func {
    Func { name, params, call }
}

pub(crate) fn bytes(args: &[Value], i: usize) -> &[u8] {
    args.get(i).and_then(Value::as_bytes).unwrap_or_default()
}

pub(crate) fn text(args: &[Value], i: usize) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes(args, i))
}

pub(crate) fn int(args: &[Value], i: usize) -> i64 {
    match args.get(i) {
        Some(Value::Int(n, _)) => *n,
        _ => 0,
    }
}

pub(crate) fn map(args: &[Value], i: usize) -> Map {
    args.get(i).and_then(Value::as_map).cloned().unwrap_or_default()
}

pub(crate) fn string(text: impl Into<Str>) -> Outcome {
    Ok(Value::str(text))
}

pub(crate) fn fail(message: impl Into<String>) -> Outcome {
    Err(Fault::Text(message.into()))
}

/// Asks for room for a list of so many elements before it is made.
pub(crate) fn reserve_items(call: &mut Call<'_>, count: usize) -> Result<(), Fault> {
    call.reserve(count.saturating_mul(size_of::<Value>()))
}

/// Makes a string of a value as sprig's `strval`: bytes and `Stringer`s as text, the rest with `%v`.
pub(crate) fn strval(value: &Value) -> Result<Str, Fault> {
    Ok(match value {
        Value::Str(text) => text.clone(),
        Value::List(list) if let Some(bytes) = list.to_bytes() => Str::from(&*bytes),
        other => Str::from(fmt::sprint(std::slice::from_ref(other)).map_err(|error| Fault::Text(error.to_string()))?),
    })
}

/// Makes strings of a list as sprig's `strslice`: nil elements vanish, a scalar is a list of one.
pub(crate) fn strslice(value: &Value) -> Result<Vec<Str>, Fault> {
    match items(value) {
        Some(items) => items.iter().filter(|item| !item.is_nil()).map(strval).collect(),
        None if value.is_nil() => Ok(Vec::new()),
        None => Ok(vec![strval(value)?]),
    }
}

/// Returns the elements of any slice.
pub(crate) fn items(value: &Value) -> Option<std::borrow::Cow<'_, [Value]>> {
    match value {
        Value::List(list) => Some(std::borrow::Cow::Borrowed(list.items())),
        Value::Native(native) if native.kind() == Kind::Slice => {
            native.entries().map(|entries| std::borrow::Cow::Owned(entries.into_iter().map(|(_, item)| item).collect()))
        }
        _ => None,
    }
}

pub(crate) fn strings(items: Vec<Str>) -> Outcome {
    Ok(Value::strings(items))
}

pub(crate) fn list(items: Vec<Value>) -> Outcome {
    Ok(Value::list(items))
}

pub(crate) fn nil_list() -> Outcome {
    Ok(Value::List(List::nil(go_template::ListKind::Any)))
}

/// Tells whether sprig takes the value for empty.
pub(crate) fn is_empty(value: &Value) -> bool {
    !value.truth()
}
