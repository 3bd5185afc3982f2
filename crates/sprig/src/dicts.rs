//! Dict functions. Dicts are shared by reference and changed in place, which templates rely on.

use go_template::{Call, Fault, Func, List, ListKind, Map, MapKind, Outcome, Str, Type, Value, fixed, variadic};

use crate::args::{bytes, fail, func, is_empty, list, map, strings, strval};

use Type::{Any, Map as Dict, String as Text};

pub(crate) const FUNCS: &[Func] = &[
    func("deepCopy", fixed(&[Any]), deep_copy_of),
    func("dict", variadic(&[], Any), dict),
    func("dig", variadic(&[], Any), dig),
    func("get", fixed(&[Dict, Text]), |_, a| Ok(map(a, 0).get(bytes(a, 1)).unwrap_or_else(|| Value::str("")))),
    func("hasKey", fixed(&[Dict, Text]), |_, a| Ok(Value::Bool(a[0].as_map().is_some_and(|map| map.contains(bytes(a, 1)))))),
    func("keys", variadic(&[], Dict), keys),
    func("merge", variadic(&[Dict], Dict), |call, a| merge_all(call, a, false)),
    func("mergeOverwrite", variadic(&[Dict], Dict), |call, a| merge_all(call, a, true)),
    func("mustDeepCopy", fixed(&[Any]), deep_copy_of),
    func("mustMerge", variadic(&[Dict], Dict), |call, a| merge_all(call, a, false)),
    func("mustMergeOverwrite", variadic(&[Dict], Dict), |call, a| merge_all(call, a, true)),
    func("omit", variadic(&[Dict], Text), omit),
    func("pick", variadic(&[Dict], Text), pick),
    func("pluck", variadic(&[Text], Dict), pluck),
    func("set", fixed(&[Dict, Text, Any]), set),
    func("unset", fixed(&[Dict, Text]), unset),
    func("values", fixed(&[Dict]), |_, a| list(map(a, 0).snapshot().into_iter().map(|(_, value)| value).collect())),
];

/// How deep dicts are followed; deeper ones can only come from a dict that contains itself.
const DEEPEST: usize = 500;

fn dict(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    let mut entries = go_template::Entries::new();
    for pair in args.chunks(2) {
        entries.insert(strval(&pair[0])?, pair.get(1).cloned().unwrap_or_else(|| Value::str("")));
    }
    Ok(Value::Map(Map::of(MapKind::Any, entries)))
}

fn set(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    let Some(dict) = args[0].as_map() else { return fail("assignment to entry in nil map") };
    if !dict.set(Str::from(bytes(args, 1)), args[2].clone()) {
        return fail("assignment to entry in nil map");
    }
    Ok(args[0].clone())
}

fn unset(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    if let Some(dict) = args[0].as_map() {
        dict.remove(bytes(args, 1));
    }
    Ok(args[0].clone())
}

fn keys(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    let all = args.iter().filter_map(Value::as_map).flat_map(|dict| dict.snapshot().into_iter().map(|(key, _)| key));
    strings(all.collect())
}

fn pluck(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    list(args[1..].iter().filter_map(|dict| dict.as_map()?.get(bytes(args, 0))).collect())
}

fn pick(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    let dict = map(args, 0);
    let picked = args[1..].iter().filter_map(Value::as_bytes).filter_map(|key| Some((Str::from(key), dict.get(key)?)));
    Ok(Value::Map(picked.collect()))
}

fn omit(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    let omitted: Vec<&[u8]> = args[1..].iter().filter_map(Value::as_bytes).collect();
    let kept = map(args, 0).snapshot().into_iter().filter(|(key, _)| !omitted.contains(&&**key));
    Ok(Value::Map(kept.collect()))
}

/// Names a type in the way Go's failed type assertions do.
fn assertion(value: &Value, wanted: &str) -> Fault {
    let given = if value.is_nil() { "nil" } else { value.type_name() };
    let separator = if value.is_nil() { "interface conversion: interface {} is nil, not" } else { "" };
    if separator.is_empty() {
        Fault::Text(format!("interface conversion: interface {{}} is {given}, not {wanted}"))
    } else {
        Fault::Text(format!("{separator} {wanted}"))
    }
}

/// Returns the map of a value whose type must be exactly `map[string]interface {}`.
fn exact_map(value: &Value) -> Result<&Map, Fault> {
    match value {
        Value::Map(map) if matches!(map.kind(), MapKind::Any) => Ok(map),
        other => Err(assertion(other, "map[string]interface {}")),
    }
}

fn dig(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    let [keys @ .., default, dict] = args else {
        return fail("dig needs at least three arguments");
    };
    if keys.is_empty() {
        return fail("dig needs at least three arguments");
    }
    let mut dict = exact_map(dict)?.clone();
    let keys = keys.iter().map(|key| key.as_bytes().ok_or_else(|| assertion(key, "string"))).collect::<Result<Vec<_>, _>>()?;
    for (i, key) in keys.iter().enumerate() {
        let Some(step) = dict.get(key) else { return Ok(default.clone()) };
        if i + 1 == keys.len() {
            return Ok(step);
        }
        dict = exact_map(&step)?.clone();
    }
    Ok(default.clone())
}

// Merging, as mergo 1.0.1 does it for maps of interfaces.

fn merge_all(call: &mut Call<'_>, args: &[Value], overwrite: bool) -> Outcome {
    let Some(target) = args[0].as_map() else { return Ok(Value::Nil) };
    let mut target = target.clone();
    for source in args[1..].iter().filter_map(Value::as_map) {
        if target.is_nil() && !source.is_nil() {
            target = Map::new();
        }
        merge(call, &target, source, overwrite, 0)?;
    }
    Ok(Value::Map(target))
}

fn merge(call: &mut Call<'_>, target: &Map, source: &Map, overwrite: bool, depth: usize) -> Result<(), Fault> {
    if target.is_same(source) {
        return Ok(());
    }
    if depth > DEEPEST {
        return Err(Fault::text("dicts are nested too deep to merge; does one contain itself?"));
    }
    call.charge(source.len())?;
    for (key, value) in source.snapshot() {
        let existing = target.get(&key);
        match (&existing, &value) {
            (Some(Value::Map(inner)), Value::Map(other)) if !inner.is_nil() && (overwrite || !inner.is_empty()) => {
                merge(call, inner, other, overwrite, depth + 1)?;
            }
            (Some(_), _) if overwrite => {
                target.set(key, value);
            }
            (None, Value::Nil) if !overwrite => {}
            (None, _) => {
                target.set(key, value);
            }
            (Some(old), new) => {
                if is_empty(old) && !new.is_nil() {
                    target.set(key, value);
                }
            }
        }
    }
    Ok(())
}

fn deep_copy_of(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    if args[0].is_nil() {
        return fail("reflect: call of reflect.Value.Type on zero Value");
    }
    call.charge_whole(&args[0])?;
    deep_copy(&args[0], 0)
}

fn deep_copy(value: &Value, depth: usize) -> Outcome {
    if depth > DEEPEST {
        return fail("a value is nested too deep to copy; does a dict contain itself?");
    }
    Ok(match value {
        Value::List(items) if !items.is_nil() && matches!(items.kind(), ListKind::Any | ListKind::Lists | ListKind::Maps) => {
            let copies = items.items().iter().map(|item| deep_copy(item, depth + 1)).collect::<Result<_, _>>()?;
            Value::List(List::new(items.kind(), copies))
        }
        Value::Map(map) if !map.is_nil() => {
            let mut entries = go_template::Entries::new();
            for (key, value) in map.snapshot() {
                entries.insert(key, deep_copy(&value, depth + 1)?);
            }
            Value::Map(Map::of(map.kind(), entries))
        }
        Value::Native(native) => Value::Native(native.reflected().unwrap_or_else(|| native.clone())),
        other => other.clone(),
    })
}
