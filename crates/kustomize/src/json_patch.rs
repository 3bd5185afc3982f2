//! JSON patches (RFC 6902), as `evanphx/json-patch` applies them.

use serde_json::Value;

/// How many bytes of JSON the copies of one patch may make.
const MAX_COPIED: usize = 16 << 20;

/// Applies the operations of a patch in order.
pub(crate) fn apply(patch: &[Value], document: &mut Value) -> Result<(), String> {
    let mut copied = 0;
    for operation in patch {
        step(operation, document, &mut copied)?;
    }
    Ok(())
}

fn step(operation: &Value, document: &mut Value, copied: &mut usize) -> Result<(), String> {
    let text = |key: &str| operation.get(key).and_then(Value::as_str);
    let name = text("op").ok_or("an operation has no op")?;
    let path = text("path").ok_or_else(|| format!("{name} has no path"))?;
    let from = || text("from").ok_or_else(|| format!("{name} has no from"));
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    let done = match name {
        "add" => add(document, path, value()),
        "remove" => remove(document, path).map(drop),
        "replace" => match find(document, path) {
            Some(found) => {
                *found = value();
                Ok(())
            }
            // A mapping takes what it lacks: evanphx/json-patch 4 does not look.
            None => match holder(document, path)? {
                (Value::Object(map), last) => {
                    map.insert(last, value());
                    Ok(())
                }
                _ => Err("there is no such element".to_string()),
            },
        },
        "move" => remove(document, from()?).and_then(|value| add(document, path, value)),
        "copy" => {
            let found = match (find(document, from()?).cloned(), holder(document, from()?)?) {
                (Some(found), _) => found,
                // What a mapping lacks is null for evanphx/json-patch 4.
                (None, (Value::Object(_), _)) => Value::Null,
                _ => return Err(format!("{name} {path}: there is no such field")),
            };
            *copied += found.to_string().len();
            if *copied > MAX_COPIED {
                return Err(format!("the patch copies more than {MAX_COPIED} bytes"));
            }
            add(document, path, found)
        }
        "test" => {
            holder(document, path)?;
            // Numbers are equal that JSON writes alike.
            let shown = |value: &Value| go_encoding::json::to_string(value);
            match find(document, path).map_or_else(|| shown(&Value::Null), |found| shown(found)) == shown(&value()) {
                true => Ok(()),
                false => Err("the value is another".to_string()),
            }
        }
        _ => Err("unknown operation".to_string()),
    };
    done.map_err(|message| format!("{name} {path}: {message}"))
}

fn parts(path: &str) -> Result<Vec<String>, String> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    // What is in front of the first slash is not looked at.
    let (_, inner) = path.split_once('/').ok_or("a path starts with /")?;
    Ok(inner.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect())
}

fn find<'a>(document: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    parts(path).ok()?.iter().try_fold(document, |value, part| match value {
        Value::Object(map) => map.get_mut(part),
        Value::Array(items) => index(part, items.len()).and_then(|at| items.get_mut(at)),
        _ => None,
    })
}

/// Negative indexes count from the end.
fn index(part: &str, length: usize) -> Option<usize> {
    match part.strip_prefix('-') {
        Some(back) => length.checked_sub(back.parse::<usize>().ok().filter(|back| *back > 0)?),
        None => part.parse().ok(),
    }
}

fn holder<'a>(document: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), String> {
    let mut all = parts(path)?;
    let last = all.pop().ok_or("the path is empty")?;
    let holder = all.iter().try_fold(document, |value, part| match value {
        Value::Object(map) => map.get_mut(part),
        Value::Array(items) => index(part, items.len()).and_then(|at| items.get_mut(at)),
        _ => None,
    });
    Ok((holder.ok_or("there is no such parent")?, last))
}

fn add(document: &mut Value, path: &str, value: Value) -> Result<(), String> {
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    match holder(document, path)? {
        (Value::Object(map), last) => {
            map.insert(last, value);
        }
        (Value::Array(items), last) => {
            let at = if last == "-" { Some(items.len()) } else { index(&last, items.len() + usize::from(last.starts_with('-'))) };
            let at = at.filter(|at| *at <= items.len()).ok_or("no such index")?;
            items.insert(at, value);
        }
        _ => return Err("the parent is neither mapping nor list".to_string()),
    }
    Ok(())
}

fn remove(document: &mut Value, path: &str) -> Result<Value, String> {
    match holder(document, path)? {
        (Value::Object(map), last) => map.remove(&last).ok_or_else(|| "there is no such field".to_string()),
        (Value::Array(items), last) => {
            let at = index(&last, items.len()).filter(|at| *at < items.len()).ok_or("no such index")?;
            Ok(items.remove(at))
        }
        _ => Err("the parent is neither mapping nor list".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(document: Value, patch: Value, expected: Result<Value, &str>) {
        let mut document = document;
        let done = apply(patch.as_array().unwrap(), &mut document).map(|()| document);
        assert_eq!(done, expected.map_err(str::to_string));
    }

    #[test]
    fn operations() {
        check(
            json!({"a": [1]}),
            json!([{"op": "add", "path": "/a/-", "value": 2}, {"op": "add", "path": "/a/0", "value": 0}]),
            Ok(json!({"a": [0, 1, 2]})),
        );
        check(json!({"a": {"b/c": 1}}), json!([{"op": "remove", "path": "/a/b~1c"}]), Ok(json!({"a": {}})));
        check(
            json!({"a": 1}),
            json!([{"op": "move", "from": "/a", "path": "/b"}, {"op": "copy", "from": "/b", "path": "/c"}]),
            Ok(json!({"b": 1, "c": 1})),
        );
        check(json!({"a": 1}), json!([{"op": "test", "path": "/a", "value": 2}]), Err("test /a: the value is another"));
        check(json!({"a": 1}), json!([{"op": "replace", "path": "/b", "value": 2}]), Ok(json!({"a": 1, "b": 2})));
        check(json!({"a": [1]}), json!([{"op": "replace", "path": "/a/1", "value": 2}]), Err("replace /a/1: there is no such element"));
        check(json!({}), json!([{"op": "add", "path": "/a/b", "value": 2}]), Err("add /a/b: there is no such parent"));
    }
}
