//! List functions. Inputs are never changed; the `must` twins differ only in name, since a panic is an error here as there.

use go_template::{Call, Fault, Func, Kind, List, ListKind, Outcome, Type, Value, deep_equal, fixed, variadic};

use crate::args::{fail, func, int, is_empty, items, list, nil_list, reserve_items};
use crate::numbers::to_int64;

use Type::{Any, Int};

pub(crate) const FUNCS: &[Func] = &[
    func("append", fixed(&[Any, Any]), push),
    func("chunk", fixed(&[Int, Any]), chunk),
    func("compact", fixed(&[Any]), compact),
    func("concat", variadic(&[], Any), concat),
    func("first", fixed(&[Any]), first),
    func("has", fixed(&[Any, Any]), has),
    func("initial", fixed(&[Any]), initial),
    func("last", fixed(&[Any]), last),
    func("list", variadic(&[], Any), |_, a| list(a.to_vec())),
    func("mustAppend", fixed(&[Any, Any]), push),
    func("mustChunk", fixed(&[Int, Any]), chunk),
    func("mustCompact", fixed(&[Any]), compact),
    func("mustFirst", fixed(&[Any]), first),
    func("mustHas", fixed(&[Any, Any]), has),
    func("mustInitial", fixed(&[Any]), initial),
    func("mustLast", fixed(&[Any]), last),
    func("mustPrepend", fixed(&[Any, Any]), prepend),
    func("mustPush", fixed(&[Any, Any]), push),
    func("mustRest", fixed(&[Any]), rest),
    func("mustReverse", fixed(&[Any]), reverse),
    func("mustSlice", variadic(&[Any], Any), slice),
    func("mustUniq", fixed(&[Any]), uniq),
    func("mustWithout", variadic(&[Any], Any), without),
    func("prepend", fixed(&[Any, Any]), prepend),
    func("push", fixed(&[Any, Any]), push),
    func("rest", fixed(&[Any]), rest),
    func("reverse", fixed(&[Any]), reverse),
    func("slice", variadic(&[Any], Any), slice),
    func("tuple", variadic(&[], Any), |_, a| list(a.to_vec())),
    func("uniq", fixed(&[Any]), uniq),
    func("without", variadic(&[Any], Any), without),
];

pub(crate) const NIL_POINTER: &str = "runtime error: invalid memory address or nil pointer dereference";

/// Returns the elements, or the error that names the function by its phrase.
fn elements<'a>(value: &'a Value, phrase: &str) -> Result<std::borrow::Cow<'a, [Value]>, Fault> {
    items(value).ok_or_else(|| match value {
        Value::Nil => Fault::text(NIL_POINTER),
        other => Fault::Text(format!("{phrase} {}", other.kind().name())),
    })
}

fn push(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let mut all = elements(&args[0], "Cannot push on type")?.into_owned();
    reserve_items(call, all.len() + 1)?;
    all.push(args[1].clone());
    list(all)
}

fn prepend(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let all = elements(&args[0], "Cannot prepend on type")?;
    reserve_items(call, all.len() + 1)?;
    list(std::iter::once(&args[1]).chain(all.iter()).cloned().collect())
}

fn first(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    Ok(elements(&args[0], "Cannot find first on type")?.first().cloned().unwrap_or_default())
}

fn last(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    Ok(elements(&args[0], "Cannot find last on type")?.last().cloned().unwrap_or_default())
}

fn rest(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    match &*elements(&args[0], "Cannot find rest on type")? {
        [] => nil_list(),
        [_, rest @ ..] => list(rest.to_vec()),
    }
}

fn initial(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    match &*elements(&args[0], "Cannot find initial on type")? {
        [] => nil_list(),
        [initial @ .., _] => list(initial.to_vec()),
    }
}

fn reverse(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    list(elements(&args[0], "Cannot find reverse on type")?.iter().rev().cloned().collect())
}

fn compact(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    list(elements(&args[0], "Cannot compact on type")?.iter().filter(|item| !is_empty(item)).cloned().collect())
}

fn uniq(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    call.charge_whole(&args[0])?;
    let mut seen: Vec<Value> = Vec::new();
    for item in elements(&args[0], "Cannot find uniq on type")?.iter() {
        call.charge(1 + seen.len() / 16)?;
        if !seen.iter().any(|other| deep_equal(item, other)) {
            seen.push(item.clone());
        }
    }
    list(seen)
}

fn without(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    call.charge_whole(&args[0])?;
    let omitted = &args[1..];
    let keep = |item: &&Value| !omitted.iter().any(|other| deep_equal(item, other));
    list(elements(&args[0], "Cannot find without on type")?.iter().filter(keep).cloned().collect())
}

fn has(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    call.charge_whole(&args[1])?;
    if args[1].is_nil() {
        return Ok(Value::Bool(false));
    }
    let all = elements(&args[1], "Cannot find has on type")?;
    Ok(Value::Bool(all.iter().any(|item| deep_equal(&args[0], item))))
}

fn slice(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    let all = elements(&args[0], "list should be type of slice or array but")?;
    if all.is_empty() {
        return Ok(Value::Nil);
    }
    let start = args.get(1).map_or(0, to_int64);
    let end = args.get(2).map_or(all.len() as i64, to_int64);
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let Some(part) = range.and_then(|(start, end)| all.get(start..end)) else {
        return fail("reflect.Value.Slice: slice index out of bounds");
    };
    if let Value::Native(native) = &args[0]
        && let Some(part) = native.slice(start as usize..end as usize)
    {
        return Ok(Value::Native(part));
    }
    let kind = args[0].as_list().map_or(ListKind::Any, List::kind);
    Ok(Value::List(List::new(kind, part.to_vec())))
}

fn concat(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let mut all = Vec::new();
    for arg in args {
        let items = items(arg).ok_or_else(|| match arg {
            Value::Nil => Fault::text(NIL_POINTER),
            other => Fault::Text(format!("Cannot concat type {} as list", other.kind().name())),
        })?;
        reserve_items(call, all.len() + items.len())?;
        all.extend(items.iter().cloned());
    }
    if all.is_empty() { nil_list() } else { list(all) }
}

fn chunk(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    let all = elements(&args[1], "Cannot chunk type")?;
    let size = int(args, 0);
    let Some(size) = usize::try_from(size).ok().filter(|size| *size > 0) else {
        // sprig works out how many chunks there are, and how long the last is: that may come out right for a negative size.
        let count = ((all.len() as f64 - 1.0) / size as f64).floor() + 1.0;
        let is_rest = all.len() == 1 && size < -1;
        if size != 0 && (count == 0.0 || is_rest) {
            let chunks = if is_rest { vec![Value::list(all.to_vec())] } else { Vec::new() };
            return Ok(Value::List(List::new(ListKind::Lists, chunks)));
        }
        return fail("runtime error: makeslice: len out of range");
    };
    let chunks = all.chunks(size).map(|chunk| Value::list(chunk.to_vec())).collect();
    Ok(Value::List(List::new(ListKind::Lists, chunks)))
}

/// Returns the kind as Go's `reflect.Kind` prints it.
pub(crate) fn kind_name(value: &Value) -> &'static str {
    if let Value::Nil = value { Kind::Invalid.name() } else { value.kind().name() }
}
