//! `vars`: fields of objects by name, put in for `$(NAME)` where kustomize looks for that (`api/internal/accumulator`,
//! `api/filters/refvar`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::fields;
use crate::kustomization::Placed;
use crate::resource::{Resource, effective};
use crate::{replacements, scalar};

/// One entry of `vars`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Var {
    name: String,
    objref: Reference,
    #[serde(default)]
    fieldref: FieldReference,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Reference {
    api_version: String,
    group: String,
    version: String,
    kind: String,
    name: String,
    namespace: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct FieldReference {
    field_path: Option<String>,
}

/// The vars of a build so far, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vars(BTreeMap<String, Placed<Var>>);

impl Reference {
    fn group_version(&self) -> (&str, &str) {
        match self.api_version.split('/').collect::<Vec<_>>().as_slice() {
            [group, version] => (group, version),
            [version] if !version.is_empty() => (&self.group, version),
            _ => (&self.group, &self.version),
        }
    }

    fn is(&self, resource: &Resource) -> bool {
        self.group_version() == (resource.group(), resource.version())
            && resource.ids().iter().any(|id| {
                id.kind == self.kind && id.name == self.name && (self.namespace.is_empty() || effective(&self.namespace) == id.namespace)
            })
    }
}

impl Vars {
    /// Adds the vars of a kustomization and notes on the objects they name that they do.
    pub(crate) fn add(&mut self, vars: &[Placed<Var>], resources: &mut [Resource]) -> Result<(), Error> {
        for var in vars {
            let mut named: Vec<&mut Resource> = resources.iter_mut().filter(|resource| var.value.objref.is(resource)).collect();
            match named.as_mut_slice() {
                [] => {}
                [one] => one.vars.push(var.value.name.clone()),
                several => {
                    let name = &var.value.name;
                    return Err(Error::at(&var.place, format!("the var {name} may be of any of {} objects", several.len())));
                }
            }
            self.put(var.clone())?;
        }
        Ok(())
    }

    /// Adds the vars of a base.
    pub(crate) fn merge(&mut self, other: Vars) -> Result<(), Error> {
        other.0.into_values().try_for_each(|var| self.put(var))
    }

    fn put(&mut self, var: Placed<Var>) -> Result<(), Error> {
        let place = var.place.clone();
        match self.0.insert(var.value.name.clone(), var) {
            None => Ok(()),
            Some(other) => {
                let at = format!("{}:{}", other.place.file, other.place.line);
                Err(Error::at(&place, format!("the var {} is also in {at}", other.value.name)))
            }
        }
    }

    /// Puts the values in.
    pub(crate) fn resolve(&self, resources: &mut [Resource], fields: &[fields::FieldSpec]) -> Result<(), Error> {
        let mut values = BTreeMap::new();
        for (name, var) in &self.0 {
            let value = self::value(&var.value, resources).map_err(|message| Error::at(&var.place, message))?;
            values.insert(name.as_str(), value);
        }
        if values.is_empty() {
            return Ok(());
        }
        for resource in resources {
            let title = resource.title();
            let mut failed = None;
            for field in fields {
                if let Some(key) = resource.keys.iter().find(|key| field.selects(resource) && key.is_of(&resource.value, &field.path)) {
                    return Err(Error::at(&key.place, format!("{title}: vars are looked for beside it: {}", key.message())));
                }
                let visited = field.visit(resource, &mut |value| {
                    if let Err(message) = replace(value, &values) {
                        failed.get_or_insert(format!("{title}: {}: {message}", field.path));
                    }
                });
                failed = failed.or(visited.err());
            }
            if let Some(message) = failed {
                return Err(Error::path(&resource.file, message));
            }
        }
        Ok(())
    }
}

fn value(var: &Var, resources: &[Resource]) -> Result<Value, String> {
    let resource = resources.iter().find(|resource| resource.vars.contains(&var.name));
    let resource = resource.ok_or_else(|| format!("the var {} is of no object that is there", var.name))?;
    let path = var.fieldref.field_path.as_deref().filter(|path| !path.is_empty()).unwrap_or("metadata.name");
    let found = replacements::lookup(&resource.value, &with_indexes(replacements::split(path)));
    let mut value = found.cloned().ok_or_else(|| format!("the var {}: {} has no field {path}", var.name, resource.title()))?;
    if !scalar::is_null(&value) {
        scalar::settle(&mut value);
    }
    Ok(value)
}

/// Takes `ports[0]` for `ports` and `0`.
fn with_indexes(parts: Vec<String>) -> Vec<String> {
    let mut found = Vec::new();
    for part in parts {
        let index = part.strip_suffix(']').and_then(|part| part.rsplit_once('['));
        match index.filter(|(_, index)| !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit())) {
            Some((name, index)) => {
                found.extend((!name.is_empty()).then(|| name.to_string()));
                found.push(index.to_string());
            }
            None => found.push(part),
        }
    }
    found
}

type Values<'a> = BTreeMap<&'a str, Value>;

/// Replaces in a text, in the texts of a mapping, or in a list, which must hold texts only.
fn replace(value: &mut Value, values: &Values<'_>) -> Result<(), String> {
    let is_text =
        |value: &Value| value.is_string() && !scalar::is_null(value) && !scalar::is_spelt(value) && scalar::misfit(value).is_none();
    let act = |value: &mut Value| *value = expanded(&scalar::as_text(value), values);
    match value {
        value if is_text(value) => act(value),
        Value::Object(map) => map.values_mut().filter(|value| is_text(value)).for_each(act),
        Value::Array(items) => {
            if !items.iter().all(is_text) {
                return Err("vars are looked for in a list that holds more than texts".to_string());
            }
            items.iter_mut().for_each(act);
        }
        _ => {}
    }
    Ok(())
}

/// Replaces the variables of a text. One that is the whole text keeps its type; `$$` is a dollar; what is unknown stays.
fn expanded(text: &str, values: &Values<'_>) -> Value {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$').filter(|at| at + 1 < rest.len()) {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let reference = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        match reference {
            Some((name, behind)) => {
                let value = values.get(name).filter(|value| !value.is_object() && !value.is_array());
                if let (Some(value), true) = (value, text.len() == name.len() + 3) {
                    return whole(value);
                }
                match value {
                    Some(value) => out.push_str(&shown(value)),
                    None => out.push_str(&format!("$({name})")),
                }
                rest = behind;
            }
            None => {
                let first = after.chars().next().map_or(0, char::len_utf8);
                if !after.starts_with('$') {
                    out.push('$');
                }
                out.push_str(&after[..first]);
                rest = &after[first..];
            }
        }
    }
    out.push_str(rest);
    Value::from(out)
}

fn whole(value: &Value) -> Value {
    if scalar::is_null(value) { Value::from(shown(value)) } else { value.clone() }
}

/// Returns a scalar as Go's `%v` prints it.
fn shown(value: &Value) -> String {
    match value {
        value if scalar::is_null(value) => scalar::as_text(value),
        Value::String(text) => text.clone(),
        value => go_encoding::json::to_string(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_are_expanded() {
        let values = [("A", json!("a")), ("N", json!(8)), ("M", json!({})), ("R", json!("$(A)"))].into();
        let check = |text: &str, expected: Value| assert_eq!(expanded(text, &values), expected, "{text}");
        check("$(A)-$(A)", json!("a-a"));
        check("$(N)", json!(8));
        check("x$(N)", json!("x8"));
        check("$$(A) $B $ $(", json!("$(A) $B $ $("));
        check("$(M) $(Z) $(R)", json!("$(M) $(Z) $(A)"));
        check("end$", json!("end$"));
    }

    #[test]
    fn indexes_in_brackets() {
        assert_eq!(with_indexes(vec!["a[0]".into(), "b".into(), "[c=d]".into()]), ["a", "0", "b", "[c=d]"]);
    }
}
