//! JSON text of values that hold bytes which are no text, and the value tree that `toYamlPretty` writes.

use go_encoding::json;
use go_template::{Kind, Str, Value};
use serde_json::Value as Json;

/// How JSON is laid out.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub escapes_html: bool,
    pub is_indented: bool,
}

/// Tells whether somewhere in the value there is what JSON values cannot hold: bytes that are no text, and structs, whose fields have an
/// order.
pub(crate) fn needs_writing(value: &Value) -> bool {
    let is_broken = |text: &Str| std::str::from_utf8(text).is_err();
    match value {
        Value::Str(text) => is_broken(text),
        Value::List(list) => list.to_bytes().is_none() && list.items().iter().any(needs_writing),
        Value::Map(map) => map.entries().is_some_and(|entries| entries.iter().any(|(key, value)| is_broken(key) || needs_writing(value))),
        Value::Native(native) => native.json_fields().is_some() || elements(value).iter().any(needs_writing),
        _ => false,
    }
}

/// Writes a value that has JSON, bytes that are no text included.
pub(crate) fn write(out: &mut String, value: &Value, layout: Layout, depth: usize) -> Result<(), String> {
    match value {
        Value::Str(text) => json::push_bytes(out, text, layout.escapes_html),
        Value::List(list) if list.to_bytes().is_none() && !list.items().is_empty() => array(out, list.items(), layout, depth)?,
        Value::Map(map) if !map.is_empty() => object(out, &map.snapshot(), layout, depth)?,
        Value::Native(native) if let Some(fields) = native.json_fields() => {
            let fields: Vec<(Str, Value)> = fields.into_iter().map(|(name, value)| (Str::from(name), value)).collect();
            object(out, &fields, layout, depth)?;
        }
        Value::Native(_) if let items @ [_, ..] = &*elements(value) => array(out, items, layout, depth)?,
        other => out.push_str(&json::to_string(&other.to_json()?)),
    }
    Ok(())
}

/// Returns what a slice of its own type holds.
fn elements(value: &Value) -> Vec<Value> {
    match value {
        Value::Native(native) if native.kind() == Kind::Slice => {
            native.entries().unwrap_or_default().into_iter().map(|(_, item)| item).collect()
        }
        _ => Vec::new(),
    }
}

fn array(out: &mut String, items: &[Value], layout: Layout, depth: usize) -> Result<(), String> {
    out.push('[');
    for (position, item) in items.iter().enumerate() {
        out.push_str(if position > 0 { "," } else { "" });
        line(out, layout, depth + 1);
        write(out, item, layout, depth + 1)?;
    }
    line(out, layout, depth);
    out.push(']');
    Ok(())
}

fn object(out: &mut String, entries: &[(Str, Value)], layout: Layout, depth: usize) -> Result<(), String> {
    out.push('{');
    for (position, (key, value)) in entries.iter().enumerate() {
        out.push_str(if position > 0 { "," } else { "" });
        line(out, layout, depth + 1);
        json::push_bytes(out, key, layout.escapes_html);
        out.push_str(if layout.is_indented { ": " } else { ":" });
        write(out, value, layout, depth + 1)?;
    }
    line(out, layout, depth);
    out.push('}');
    Ok(())
}

fn line(out: &mut String, layout: Layout, depth: usize) {
    if layout.is_indented {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    }
}

/// Converts for an encoder that sees Go's own values: a float stays a float even if it is integral.
pub(crate) fn keep_floats(value: &Value) -> Result<Json, String> {
    convert(value, 0)
}

fn convert(value: &Value, depth: usize) -> Result<Json, String> {
    if depth > 500 {
        return Err("nested too deep".to_owned());
    }
    Ok(match value {
        Value::Float(f) => serde_json::Number::from_f64(*f).map_or(Json::Null, Json::Number),
        Value::List(list) if list.to_bytes().is_none() && !list.is_nil() => {
            Json::Array(list.items().iter().map(|item| convert(item, depth + 1)).collect::<Result<_, _>>()?)
        }
        Value::Map(map) if !map.is_nil() => {
            let entries = map.snapshot();
            let pair = |(key, value): &(go_template::Str, Value)| Ok((key.to_text().into_owned(), convert(value, depth + 1)?));
            Json::Object(entries.iter().map(pair).collect::<Result<_, String>>()?)
        }
        Value::Map(_) => Json::Object(serde_json::Map::new()),
        Value::List(list) if list.is_nil() => Json::Array(Vec::new()),
        other => other.to_json()?,
    })
}
