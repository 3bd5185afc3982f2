//! TOML as BurntSushi/toml 1.6 writes it: plain entries of a table first, then its tables, indented by two spaces.

use go_template::{Call, Fault, Func, Map, Str, Type, Value, fixed};

use crate::args::{bytes, fail, func, string};
use crate::dates::{Time, Zone};
use crate::encode::reserve_parsed;
use crate::numbers::to_int64;

pub(crate) const FUNCS: &[Func] = &[
    func("fromToml", fixed(&[Type::String]), |call, a| {
        call.charge(bytes(a, 0).len())?;
        reserve_parsed(call, a)?;
        // An error is the only entry.
        let read = crate::toml_read::read(bytes(a, 0));
        Ok(Value::Map(read.unwrap_or_else(|error| Map::from_iter([(Str::from("Error"), Value::from(error))]))))
    }),
    func("mustToToml", fixed(&[Type::Any]), |call, a| to_toml(call, a).and_then(|text| text.map_or_else(fail, string))),
    func("toToml", fixed(&[Type::Any]), |call, a| to_toml(call, a).and_then(|text| text.map_or_else(string, string))),
];

/// How deep tables may nest.
const DEEPEST: usize = 200;

fn to_toml(call: &mut Call<'_>, args: &[Value]) -> Result<Result<String, String>, Fault> {
    call.charge_whole(&args[0])?;
    let mut out = String::new();
    let written = match &args[0] {
        Value::Map(map) => table(&mut out, map, &mut Vec::new()),
        Value::Nil => return fail_nil(),
        list @ Value::List(_) if is_table(list) => Err("toml: top-level values must be Go maps or structs".to_owned()),
        other => inline(&mut out, other, 0),
    };
    Ok(written.map(|()| out))
}

fn fail_nil() -> Result<Result<String, String>, Fault> {
    Err(Fault::Text("reflect: call of reflect.Value.Type on zero Value".to_owned()))
}

/// Tells whether the value gets a header of its own.
fn is_table(value: &Value) -> bool {
    match value {
        Value::Map(_) => true,
        Value::List(list) => !list.items().is_empty() && list.items().iter().all(|item| matches!(item, Value::Map(_))),
        _ => false,
    }
}

fn table(out: &mut String, map: &Map, path: &mut Vec<String>) -> Result<(), String> {
    if path.len() > DEEPEST {
        return Err("toml: tables are nested too deep".to_owned());
    }
    let entries: Vec<(Str, Value)> = map.snapshot().into_iter().filter(|(_, value)| !value.is_nil()).collect();
    let (tables, plain): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(_, value)| is_table(value));
    let indent = "  ".repeat(path.len().saturating_sub(1));
    let indent = if path.is_empty() { String::new() } else { format!("{indent}  ") };
    for (name, value) in plain {
        out.push_str(&indent);
        out.push_str(&key(&name));
        out.push_str(" = ");
        inline(out, &value, 0)?;
        out.push('\n');
    }
    for (name, value) in tables {
        path.push(key(&name));
        let (open, close) = if matches!(value, Value::Map(_)) { ("[", "]") } else { ("[[", "]]") };
        let parts = match &value {
            Value::Map(map) => vec![map.clone()],
            other => other.as_list().map_or_else(Vec::new, |list| list.items().iter().filter_map(Value::as_map).cloned().collect()),
        };
        for part in parts {
            if path.len() == 1 && !out.is_empty() || close == "]]" && !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&"  ".repeat(path.len() - 1));
            out.push_str(&format!("{open}{}{close}\n", path.join(".")));
            table(out, &part, path)?;
        }
        path.pop();
    }
    Ok(())
}

fn key(name: &[u8]) -> String {
    let bare = !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if bare { String::from_utf8_lossy(name).into_owned() } else { quoted(name) }
}

fn quoted(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            c if c < ' ' || c == '\x7f' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn inline(out: &mut String, value: &Value, depth: usize) -> Result<(), String> {
    if depth > DEEPEST {
        return Err("toml: arrays are nested too deep".to_owned());
    }
    match value {
        Value::Nil => return Err("toml: cannot encode array with nil element".to_owned()),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(..) | Value::Uint(..) => out.push_str(&to_int64(value).to_string()),
        Value::Float(f) => out.push_str(&float(*f)),
        Value::Str(text) => out.push_str(&quoted(text)),
        Value::List(list) => {
            out.push('[');
            for (i, item) in list.items().iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                inline(out, item, depth + 1)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            // Plain entries come first here too. Nothing is left of a nil but the comma before it.
            let (tables, plain): (Vec<_>, Vec<_>) = map.snapshot().into_iter().partition(|(_, value)| is_table(value));
            let all = plain.len() + tables.len();
            for (i, (name, value)) in plain.into_iter().chain(tables).enumerate().filter(|(_, (_, value))| !value.is_nil()) {
                out.push_str(&key(&name));
                out.push_str(" = ");
                inline(out, &value, depth + 1)?;
                out.push_str(if i + 1 < all { ", " } else { "" });
            }
            out.push('}');
        }
        Value::Native(native) => match value.downcast::<Time>() {
            Some(time) => out.push_str(&crate::layout::format(time, layout(&time.zone))),
            None => out.push_str(&quoted(&native.printed().unwrap_or_else(|| go_template::fmt::text_of(value)))),
        },
    }
    Ok(())
}

/// Returns how a time is written: what came from TOML without a zone goes back without one.
fn layout(zone: &Zone) -> &'static str {
    match zone {
        Zone::Fixed { name, .. } if name == "datetime-local" => "2006-01-02T15:04:05.999999999",
        Zone::Fixed { name, .. } if name == "date-local" => "2006-01-02",
        Zone::Fixed { name, .. } if name == "time-local" => "15:04:05.999999999",
        _ => "2006-01-02T15:04:05.999999999Z07:00",
    }
}

fn float(f: f64) -> String {
    if f.is_nan() {
        return "nan".to_owned();
    }
    if f.is_infinite() {
        return if f > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let text = go_template::float::format_float(f, b'g', -1, 64);
    if text.contains(['.', 'e']) { text } else { format!("{text}.0") }
}
