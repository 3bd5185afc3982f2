//! The functions that belong to a render: `include`, `tpl`, `required`, `fail`, `lookup`, `getHostByName`.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use go_template::{Call, Fault, Func, Map, Outcome, Type, Value, fixed};
use memchr::memmem;

use super::Lookup;
use crate::compat::HelmCompat;

/// How often one template may be nested in itself by `include`.
const MAX_INCLUDES: u32 = 1000;

/// How deep `tpl` may call itself. Go has no such limit but the stack's.
const MAX_TPL: u32 = 200;

/// What lasts for one render.
pub(super) struct Session {
    included: HashMap<Vec<u8>, u32>,
    tpl_depth: u32,
    lookup: Option<Arc<dyn Lookup>>,
}

impl Session {
    pub(super) fn new(lookup: Option<Arc<dyn Lookup>>, _compat: &HelmCompat) -> Session {
        Session { included: HashMap::new(), tpl_depth: 0, lookup }
    }
}

pub(super) const FUNCS: &[Func] = &[
    Func { name: "fail", params: fixed(&[Type::String]), call: fail },
    Func { name: "getHostByName", params: fixed(&[Type::String]), call: get_host_by_name },
    Func { name: "include", params: fixed(&[Type::String, Type::Any]), call: include },
    Func { name: "lookup", params: fixed(&[Type::String, Type::String, Type::String, Type::String]), call: lookup },
    Func { name: "required", params: fixed(&[Type::String, Type::Any]), call: required },
    Func { name: "tpl", params: fixed(&[Type::String, Type::Any]), call: tpl },
];

fn bytes(args: &[Value], at: usize) -> &[u8] {
    args.get(at).and_then(Value::as_bytes).unwrap_or_default()
}

fn text(args: &[Value], at: usize) -> String {
    String::from_utf8_lossy(bytes(args, at)).into_owned()
}

fn session<'c>(call: &'c mut Call<'_>) -> Result<&'c mut Session, Fault> {
    call.state::<Session>().ok_or_else(|| Fault::text("render has no session"))
}

fn include(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let key = bytes(args, 0).to_vec();
    let name = text(args, 0);
    if name.as_bytes() != key {
        let quoted = go_template::quote::quote(&key);
        return Err(Fault::Text(format!("template: no template {quoted} associated with template \"gotpl\"")));
    }
    let count = session(call)?.included.entry(key.clone()).or_insert(0);
    if *count > MAX_INCLUDES {
        return Err(Fault::text(format!("rendering template has a nested reference name: {name}: unable to execute template")));
    }
    *count += 1;
    let result = call.execute(&name, args.get(1).unwrap_or(&Value::Nil));
    if let Some(count) = session(call)?.included.get_mut(&key) {
        *count = count.saturating_sub(1);
    }
    result.map(Value::from)
}

fn tpl(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let source = bytes(args, 0);
    if memmem::find(source, b"{{").is_none() {
        // Nothing to execute, which is what most texts are.
        return Ok(Value::from(without_no_value(source.to_vec())));
    }
    let quoted = || go_template::quote::quote(source);
    let depth = &mut session(call)?.tpl_depth;
    if *depth >= MAX_TPL {
        return Err(Fault::text(format!("error during tpl function execution for {}: tpl calls itself too often", quoted())));
    }
    *depth += 1;
    let mut overlay = call.set().overlay();
    let name = overlay.name().to_owned();
    let result = match overlay.parse(&name, source) {
        Err(error) => Err(Fault::text(format!("cannot parse template {}: {error}", quoted()))),
        Ok(()) => call.execute_in(&Arc::new(overlay), &name, args.get(1).unwrap_or(&Value::Nil)).map_err(|fault| match fault {
            budget @ Fault::Budget { .. } => budget,
            fault => Fault::text(format!("error during tpl function execution for {}: {fault}", quoted())),
        }),
    };
    let depth = &mut session(call)?.tpl_depth;
    *depth = depth.saturating_sub(1);
    result.map(|output| Value::from(without_no_value(output)))
}

fn required(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    match args.get(1) {
        None | Some(Value::Nil) => Err(marked(args)),
        Some(Value::Str(text)) if text.is_empty() => Err(marked(args)),
        Some(value) => Ok(value.clone()),
    }
}

fn fail(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    Err(marked(args))
}

/// Marks a message of the chart's author, so that it can be found in the chain of errors around it.
fn marked(args: &[Value]) -> Fault {
    Fault::text(format!("{}{}{}", super::errors::START, text(args, 0), super::errors::END))
}

fn lookup(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let Some(cluster) = session(call)?.lookup.clone() else {
        return Ok(Value::Map(Map::new()));
    };
    match cluster.lookup(&text(args, 0), &text(args, 1), &text(args, 2), &text(args, 3)) {
        Ok(Some(found)) => Ok(Value::from_json_int64(&found)),
        Ok(None) => Ok(Value::Map(Map::new())),
        Err(error) => Err(Fault::text(error)),
    }
}

/// Names are not resolved: Helm does that only when asked to.
fn get_host_by_name(_: &mut Call<'_>, _: &[Value]) -> Outcome {
    Ok(Value::str(""))
}

/// Deletes the text that Go prints for a missing value, which Helm does to everything rendered.
pub(super) fn without_no_value(text: Vec<u8>) -> Vec<u8> {
    static NO_VALUE: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new("<no value>"));
    let mut found = NO_VALUE.find_iter(&text).peekable();
    if found.peek().is_none() {
        return text;
    }
    let mut kept = Vec::with_capacity(text.len());
    let mut start = 0;
    for at in found {
        kept.extend_from_slice(&text[start..at]);
        start = at + NO_VALUE.needle().len();
    }
    kept.extend_from_slice(&text[start..]);
    kept
}
