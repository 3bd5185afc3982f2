//! Decrypts a file where it stands: `sops` keeps the order of entries and the comments (`stores/yaml/store.go`, `stores/dotenv/store.go`), and
//! what is made of the file has a name with a hash of its bytes.
//!
//! Every encrypted value is on one line, as `sops` writes it. It is replaced by what yaml.v3 prints for the value with an indent of four.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Cipher, DataKeys, Format, cipher, tree_of};

const START: &str = "ENC[AES256_GCM,";

/// Returns a YAML or dotenv file with its values decrypted and without what describes the encryption.
pub(super) fn decrypt(text: &str, format: Format, keys: &dyn DataKeys) -> Result<String, String> {
    let mut tree = tree_of(text, format)?;
    let cipher = cipher(&mut tree, keys)?;
    let mut found = Opened { values: BTreeMap::new(), places: BTreeSet::from([Vec::new()]) };
    found.collect(&cipher, &tree, &mut Vec::new())?;
    let mut out = String::with_capacity(text.len());
    let mut in_sops = false;
    for line in text.lines() {
        in_sops = match format {
            Format::Dotenv => line.starts_with("sops_"),
            _ => line.starts_with("sops:") || in_sops && line.starts_with([' ', '-']) && line != "---",
        };
        if !in_sops {
            out.push_str(&found.line(&cipher, line, format)?);
            out.push('\n');
        }
    }
    Ok(out)
}

struct Opened {
    /// By how they are written encrypted.
    values: BTreeMap<String, Value>,
    /// The paths of all mappings and lists.
    places: BTreeSet<Vec<String>>,
}

impl Opened {
    fn collect(&mut self, cipher: &Cipher, value: &Value, path: &mut Vec<String>) -> Result<(), String> {
        match value {
            Value::Array(list) => list.iter().try_for_each(|value| self.collect(cipher, value, path))?,
            Value::Object(map) => {
                self.places.insert(path.clone());
                for (key, value) in map {
                    path.push(key.clone());
                    self.collect(cipher, value, path)?;
                    path.pop();
                }
            }
            value => {
                let mut plain = value.clone();
                cipher.walk(&mut plain, path)?;
                if let Some(text) = value.as_str().filter(|text| text.starts_with(START)) {
                    self.values.insert(text.to_string(), plain);
                }
            }
        }
        Ok(())
    }

    fn line(&self, cipher: &Cipher, line: &str, format: Format) -> Result<String, String> {
        let Some((before, rest)) = line.find(START).map(|at| line.split_at(at)) else { return Ok(line.to_string()) };
        let Some(end) = rest.find(']').map(|at| at + 1) else { return Ok(line.to_string()) };
        let (encrypted, after) = rest.split_at(end);
        if before.trim_start() == "#" {
            let open = |path: &Vec<String>| cipher.open(&encrypted.replace(",type:comment]", ",type:str]"), path).ok();
            let comment = self.places.iter().find_map(open).ok_or("a comment cannot be decrypted")?;
            return Ok(format!("{before}{}{after}", comment.as_str().unwrap_or_default()));
        }
        // What the rules leave alone stays as it is.
        let Some(value) = self.values.get(encrypted) else { return Ok(line.to_string()) };
        let plain = match (format, value) {
            (Format::Dotenv, Value::String(text)) => text.replace('\n', "\\n"),
            (_, Value::String(text)) if encrypted.ends_with(",type:time]") => text.clone(),
            (Format::Dotenv, value) => value.to_string(),
            (_, value) => indented(value, content_indent(before)),
        };
        Ok(format!("{before}{plain}{after}"))
    }
}

/// Prints a scalar; the lines of a block are indented so far.
fn indented(value: &Value, indent: usize) -> String {
    let printed = go_encoding::yaml::v3::to_string(value);
    let mut lines = printed.trim_end_matches('\n').split('\n');
    let mut out = lines.next().unwrap_or_default().to_string();
    for line in lines {
        out.push('\n');
        if let Some(line) = line.strip_prefix("  ") {
            out.push_str(&" ".repeat(indent));
            out.push_str(line);
        }
    }
    // A block that keeps its last line breaks ends with them.
    if out.lines().next().is_some_and(|header| header.ends_with('+')) {
        let kept = printed.len() - printed.trim_end_matches('\n').len();
        out.push_str(&"\n".repeat(kept.saturating_sub(1)));
    }
    out
}

/// Returns how far yaml.v3 with an indent of four indents the lines of a block after this text.
fn content_indent(before: &str) -> usize {
    const INDENT: usize = 4;
    let column = before.len() - before.trim_start_matches([' ', '-']).len();
    if column == before.len() { column } else { INDENT * ((column + INDENT) / INDENT) }
}
