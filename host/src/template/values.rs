//! The values that the user gives (`pkg/cli/values/options.go`).

use std::io;

use helm::{Given, values};
use serde_json::{Map, Value};

use super::output::as_go_says;
use crate::Surroundings;
use crate::bounded;
use crate::failure::{Failure, chain};
use crate::options;

/// Merges what the user gives, in Helm's order: files, --set-json, --set, --set-string, --set-file, --set-literal. Returns what gave
/// them as well, in that order.
pub async fn merged(
    options: &options::Template,
    charts: &charts::Source,
    around: &Surroundings,
) -> Result<(Map<String, Value>, Vec<Given>), Failure> {
    let mut merged = Map::new();
    let mut given = Vec::new();
    for file in comma_separated(&options.values)? {
        let bytes = match is_url(&file) {
            true => charts.file(&file).await.map_err(|error| Failure::user(chain(&error)))?,
            false => read(&file, around).map_err(Failure::user)?,
        };
        let found = values::from_yaml_bytes(&bytes).map_err(|error| Failure::user(format!("failed to parse {file}: {error}")))?;
        values::merge_maps(&mut merged, found);
        given.push(Given::File { name: file, text: String::from_utf8_lossy(&bytes).into_owned() });
    }
    set(&mut merged, options, around)?;
    given.extend(given_by_options(options));
    Ok((merged, given))
}

fn set(merged: &mut Map<String, Value>, options: &options::Template, around: &Surroundings) -> Result<(), Failure> {
    let failed = |option: &str, error: &dyn std::fmt::Display| Failure::user(format!("failed parsing {option} data: {error}"));
    options.set_json.iter().try_for_each(|text| set_json(merged, text))?;
    for text in &options.set {
        values::set(merged, text).map_err(|error| failed("--set", &error))?;
    }
    for text in &options.set_string {
        values::set_string(merged, text).map_err(|error| failed("--set-string", &error))?;
    }
    for text in &options.set_file {
        let read = |file: &str| read_text(file, around);
        values::set_file(merged, text, &read).map_err(|error| failed("--set-file", &error))?;
    }
    for text in &options.set_literal {
        values::set_literal(merged, text).map_err(|error| failed("--set-literal", &error))?;
    }
    Ok(())
}

fn set_json(merged: &mut Map<String, Value>, text: &str) -> Result<(), Failure> {
    if !text.trim_start().starts_with('{') {
        return values::set_json(merged, text)
            .map_err(|error| Failure::user(format!("failed parsing --set-json data {text}")).hint(error.to_string()));
    }
    let found: Value = serde_json::from_str(text)
        .map_err(|error| Failure::user(format!("failed parsing --set-json data JSON: {text}")).hint(error.to_string()))?;
    if let Value::Object(found) = values::as_floats(found) {
        values::merge_maps(merged, found);
    }
    Ok(())
}

/// Returns what each option sets on its own. What it is set to may be a secret, and is not told.
fn given_by_options(options: &options::Template) -> Vec<Given> {
    let mut given = Vec::new();
    let mut add = |option: &str, texts: &[String], set: fn(&mut Map<String, Value>, &str) -> Result<(), helm::ValuesError>| {
        for text in texts {
            let mut values = Map::new();
            // It was read already, on top of what came before it.
            let _ = set(&mut values, text);
            let key = text.split('=').next().filter(|key| !key.contains('{'));
            given.push(Given::Option { written: key.map_or_else(|| format!("{option} …"), |key| format!("{option} {key}=…")), values });
        }
    };
    add("--set-json", &options.set_json, values::set_json);
    add("--set", &options.set, values::set);
    add("--set-string", &options.set_string, values::set_string);
    add("--set-file", &options.set_file, values::set_string);
    add("--set-literal", &options.set_literal, values::set_literal);
    given
}

/// Splits lists as pflag's string slices do, which are lines of CSV: quotes keep a comma.
fn comma_separated(lists: &[String]) -> Result<Vec<String>, Failure> {
    let mut items = Vec::new();
    for list in lists.iter().filter(|list| !list.is_empty()) {
        let mut rest = list.as_str();
        loop {
            let (item, after) = match rest.strip_prefix('"') {
                Some(quoted) => unquoted(quoted).ok_or_else(|| Failure::user(format!("--values {list}: a quote is not closed")))?,
                None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
            };
            items.push(item.replace("\"\"", "\""));
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None => break,
            }
        }
    }
    Ok(items)
}

/// Splits at the quote that ends an item; two quotes stand for one.
fn unquoted(text: &str) -> Option<(&str, &str)> {
    let mut at = 0;
    loop {
        at += text[at..].find('"')?;
        match text[at + 1..].chars().next() {
            Some('"') => at += 2,
            None | Some(',') => return Some((&text[..at], &text[at + 1..])),
            Some(_) => return None,
        }
    }
}

fn is_url(file: &str) -> bool {
    file.starts_with("http://") || file.starts_with("https://")
}

fn read(file: &str, around: &Surroundings) -> Result<Vec<u8>, String> {
    if file.trim() == "-" {
        return bounded::stream(io::stdin(), bounded::CHART).map_err(|error| format!("standard input: {error}"));
    }
    if file.is_empty() {
        return Err("open : no such file or directory".to_owned());
    }
    bounded::any(&around.folder.join(file), bounded::CHART).map_err(|error| {
        let what = if error.kind() == io::ErrorKind::IsADirectory { "read" } else { "open" };
        format!("{what} {file}: {}", as_go_says(&error))
    })
}

fn read_text(file: &str, around: &Surroundings) -> Result<String, String> {
    if is_url(file) {
        return Err(format!("{file}: only --values takes a URL; download the file"));
    }
    String::from_utf8(read(file, around)?)
        .map_err(|_| format!("{file}: is not UTF-8 text; give it in base64, and let the template decode it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_lines_of_csv() {
        let check = |list: &str, expect: Option<&[&str]>| {
            assert_eq!(
                comma_separated(&[list.to_owned()]).ok().as_deref(),
                expect.map(|items| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>()).as_deref()
            );
        };
        check("", Some(&[]));
        check("a,b", Some(&["a", "b"]));
        check("a,", Some(&["a", ""]));
        check("\"a,b\",c", Some(&["a,b", "c"]));
        check("\"a\"\"b\"", Some(&["a\"b"]));
        check("\"a", None);
        check("\"a\"b", None);
    }
}
