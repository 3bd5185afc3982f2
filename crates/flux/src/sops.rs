//! SOPS: objects and files whose values are encrypted one by one (`getsops/sops` 3.13 `sops.go`, `aes/cipher.go`), decrypted where
//! kustomize-controller decrypts them (`internal/decryptor/decryptor.go` 1.9).
//!
//! As there, the message authentication code over the whole file is not checked: kustomize has changed the object since it was
//! encrypted. Each value authenticates itself and its place.

mod written;

use aes_gcm::aead::consts::{U12, U32};
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kustomize::{Entry, Files};
use regex::Regex;
use serde_json::{Map, Value};

use crate::fields::{items, kind, text};

/// Opens data keys. What a data key protects is decrypted here; the key itself is protected by age, which needs private keys.
pub trait DataKeys {
    /// Returns the data key that is encrypted, in age's armor, in any one of these. The error says why none can be opened.
    fn open(&self, encrypted: &[&str]) -> Result<Vec<u8>, String>;
}

/// What stands where a secret value would be shown.
pub const MASK: &str = "(secret)";

/// How an encrypted file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Yaml,
    Json,
    Dotenv,
    Ini,
    Binary,
}

impl Format {
    /// Returns the format of a file, or of what is kept under a key, by its name.
    fn of(name: &str) -> Format {
        match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
            _ if name.ends_with(".dockerconfigjson") => Format::Json,
            "yaml" | "yml" => Format::Yaml,
            "json" => Format::Json,
            "env" => Format::Dotenv,
            "ini" => Format::Ini,
            _ => Format::Binary,
        }
    }

    /// Returns the format of an encrypted text by the mark that SOPS leaves in it.
    fn seen_in(text: &str) -> Option<Format> {
        const MARKS: [(Format, &str); 4] =
            [(Format::Json, "\"mac\": \"ENC["), (Format::Dotenv, "sops_mac=ENC["), (Format::Ini, "[sops]"), (Format::Yaml, "mac: ENC[")];
        MARKS.iter().find(|(_, mark)| text.contains(mark)).map(|(format, _)| *format)
    }
}

/// Tells whether an object is encrypted: it has `sops.mac`.
pub(crate) fn is_encrypted(object: &Value) -> bool {
    text(object, &["sops", "mac"]).is_some_and(|mac| !mac.is_empty())
}

/// Tells whether a text is an encrypted file, or one value of one.
pub(crate) fn is_encrypted_text(text: &str) -> bool {
    text.starts_with("ENC[AES256_GCM,data:") || Format::seen_in(text).is_some()
}

/// Tells whether a Flux Kustomization has its objects decrypted.
pub(crate) fn decrypts(kustomization: &Value) -> bool {
    text(kustomization, &["spec", "decryption", "provider"]) == Some("sops")
}

/// Decrypts an object, or the encrypted files in a Secret. Returns whether anything was encrypted.
pub(crate) fn decrypt_object(object: &mut Value, keys: &dyn DataKeys) -> Result<bool, String> {
    let disabled = text(object, &["metadata", "annotations", "kustomize.toolkit.fluxcd.io/decrypt"]);
    if disabled.is_some_and(|value| value.eq_ignore_ascii_case("disabled")) {
        return Ok(false);
    }
    if is_encrypted(object) {
        // What cannot be decrypted stays as it is.
        *object = decrypt(object.clone(), keys)?;
        return Ok(true);
    }
    if kind(object) != "Secret" {
        return Ok(false);
    }
    let mut found = false;
    for (key, entry) in object.get_mut("data").and_then(Value::as_object_mut).into_iter().flatten() {
        let Some(bytes) = entry.as_str().and_then(|text| STANDARD.decode(text).ok()) else { continue };
        let Some(format) = std::str::from_utf8(&bytes).ok().and_then(Format::seen_in) else { continue };
        let plain = decrypt_file(&bytes, format, Format::of(key), keys).map_err(|error| format!("key {key}: {error}"))?;
        *entry = Value::from(STANDARD.encode(plain));
        found = true;
    }
    Ok(found)
}

/// Files of which those that Secrets and patches are made of are decrypted as they are read.
pub(crate) struct Decrypted<'a> {
    pub(crate) files: &'a dyn Files,
    pub(crate) keys: &'a dyn DataKeys,
}

impl Files for Decrypted<'_> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        self.files.read(path)
    }

    fn list(&self, folder: &str) -> Result<Option<Vec<Entry>>, String> {
        self.files.list(folder)
    }

    fn read_private(&self, path: &str, name: &str) -> Result<Option<Vec<u8>>, String> {
        let Some(bytes) = self.files.read(path)? else { return Ok(None) };
        let seen = std::str::from_utf8(&bytes).ok().and_then(Format::seen_in);
        let format = Format::of(name);
        match seen {
            Some(seen) if seen == format || (seen, format) == (Format::Json, Format::Binary) => {
                decrypt_file(&bytes, format, format, self.keys).map(Some)
            }
            _ => Ok(Some(bytes)),
        }
    }
}

fn decrypt_file(bytes: &[u8], from: Format, to: Format, keys: &dyn DataKeys) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8 text")?;
    if from == to && matches!(from, Format::Yaml | Format::Dotenv) {
        return written::decrypt(text, from, keys).map(String::into_bytes);
    }
    let tree = match from {
        Format::Yaml => go_encoding::yaml::parse(text).map_err(|error| error.to_string())?,
        Format::Json | Format::Binary => serde_json::from_str(text).map_err(|_| "is no JSON")?,
        Format::Dotenv => dotenv_tree(text)?,
        Format::Ini => return Err("is an encrypted INI file; use YAML, JSON, dotenv or a binary file".into()),
    };
    let plain = decrypt(tree, keys)?;
    Ok(match to {
        Format::Yaml => go_encoding::yaml::to_string(&plain).into_bytes(),
        Format::Json => plain.to_string().into_bytes(),
        Format::Dotenv => dotenv_text(&plain)?.into_bytes(),
        Format::Binary => plain.get("data").and_then(Value::as_str).ok_or("holds no binary file")?.as_bytes().to_vec(),
        Format::Ini => return Err("an INI file cannot be made of it".into()),
    })
}

/// Reads a YAML or dotenv file into a tree with its `sops`.
fn tree_of(text: &str, format: Format) -> Result<Value, String> {
    match format {
        Format::Dotenv => dotenv_tree(text),
        _ => go_encoding::yaml::parse(text).map_err(|error| error.to_string()),
    }
}

/// Reads `KEY=VALUE` lines, of which those with `sops_` describe the encryption (`stores/flatten.go`).
fn dotenv_tree(text: &str) -> Result<Value, String> {
    let (mut tree, mut sops, mut ages) = (Map::new(), Map::new(), Vec::new());
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (key, value) = line.split_once('=').ok_or("has a line without `=`")?;
        let value = Value::from(value.replace("\\n", "\n"));
        match key.strip_prefix("sops_") {
            Some(key) if key.starts_with("age__list_") && key.ends_with("__map_enc") => ages.push(serde_json::json!({ "enc": value })),
            Some(key) => drop(sops.insert(key.to_string(), value)),
            None => drop(tree.insert(key.to_string(), value)),
        }
    }
    sops.insert("age".into(), Value::Array(ages));
    tree.insert("sops".into(), Value::Object(sops));
    Ok(Value::Object(tree))
}

fn dotenv_text(plain: &Value) -> Result<String, String> {
    let mut written = String::new();
    for (key, value) in plain.as_object().into_iter().flatten() {
        let value = match value {
            Value::String(text) => text.replace('\n', "\\n"),
            Value::Object(_) | Value::Array(_) => return Err(format!("{key} is no text, which a file of variables needs")),
            other => other.to_string(),
        };
        written += &format!("{key}={value}\n");
    }
    Ok(written)
}

/// Decrypts a tree of values by what its `sops` says, which is taken off.
fn decrypt(mut tree: Value, keys: &dyn DataKeys) -> Result<Value, String> {
    let cipher = cipher(&mut tree, keys)?;
    cipher.walk(&mut tree, &mut Vec::new())?;
    Ok(tree)
}

/// Takes `sops` off a tree, and returns what opens the values of the tree.
fn cipher(tree: &mut Value, keys: &dyn DataKeys) -> Result<Cipher, String> {
    let sops = tree.as_object_mut().and_then(|tree| tree.remove("sops")).ok_or("has no `sops`")?;
    Ok(Cipher { key: data_key(&sops, keys)?, rules: Rules::of(&sops) })
}

fn data_key(sops: &Value, keys: &dyn DataKeys) -> Result<Vec<u8>, String> {
    let groups = items(sops, &["key_groups"]);
    let holder = match groups {
        [] => sops,
        [one] => one,
        _ => return Err("its key is shared between several key groups; one group is needed".into()),
    };
    let encrypted: Vec<&str> = items(holder, &["age"]).iter().filter_map(|age| text(age, &["enc"])).collect();
    if encrypted.is_empty() {
        return Err("it is encrypted, but not for age".into());
    }
    let key = keys.open(&encrypted)?;
    if key.len() == 32 { Ok(key) } else { Err("its data key does not have 32 bytes".into()) }
}

/// Which values are encrypted, by the keys on the way to them. Rules by comments have no effect: kustomize drops comments.
struct Rules {
    unencrypted_suffix: Option<String>,
    encrypted_suffix: Option<String>,
    unencrypted_regex: Option<Regex>,
    encrypted_regex: Option<Regex>,
}

impl Rules {
    fn of(sops: &Value) -> Rules {
        let given = |key: &str| text(sops, &[key]).map(str::to_string);
        let regex = |key: &str| given(key).and_then(|text| Regex::new(&text).ok());
        Rules {
            unencrypted_suffix: given("unencrypted_suffix"),
            encrypted_suffix: given("encrypted_suffix"),
            unencrypted_regex: regex("unencrypted_regex"),
            encrypted_regex: regex("encrypted_regex"),
        }
    }

    /// Later rules go before earlier ones, as in SOPS.
    fn is_encrypted(&self, path: &[String]) -> bool {
        let ends = |suffix: &String| path.iter().any(|key| key.ends_with(suffix.as_str()));
        let matches = |regex: &Regex| path.iter().any(|key| regex.is_match(key));
        let mut encrypted = !self.unencrypted_suffix.as_ref().is_some_and(ends);
        if let Some(suffix) = &self.encrypted_suffix {
            encrypted = ends(suffix);
        }
        if self.unencrypted_regex.as_ref().is_some_and(matches) {
            encrypted = false;
        }
        if let Some(regex) = &self.encrypted_regex {
            encrypted = matches(regex);
        }
        encrypted
    }
}

struct Cipher {
    key: Vec<u8>,
    rules: Rules,
}

impl Cipher {
    fn walk(&self, value: &mut Value, path: &mut Vec<String>) -> Result<(), String> {
        match value {
            Value::Null => {}
            Value::Array(list) => list.iter_mut().try_for_each(|value| self.walk(value, path))?,
            Value::Object(map) => {
                for (key, value) in map {
                    path.push(key.clone());
                    self.walk(value, path)?;
                    path.pop();
                }
            }
            _ if !self.rules.is_encrypted(path) => {}
            Value::String(text) => *value = self.open(text, path).map_err(|error| format!("{}: {error}", path.join(".")))?,
            _ => return Err(format!("{}: is not encrypted, though the rules in `sops` say so", path.join("."))),
        }
        Ok(())
    }

    /// Decrypts `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`. Its place is authenticated with it. Messages never hold the value.
    fn open(&self, text: &str, path: &[String]) -> Result<Value, String> {
        if text.is_empty() {
            return Ok(Value::from(""));
        }
        let not_encrypted = "is not encrypted, though the rules in `sops` say so";
        let inner = text.strip_prefix("ENC[AES256_GCM,data:").and_then(|text| text.strip_suffix(']')).ok_or(not_encrypted)?;
        let (data, inner) = inner.split_once(",iv:").ok_or(not_encrypted)?;
        let (iv, inner) = inner.split_once(",tag:").ok_or(not_encrypted)?;
        let (tag, kind) = inner.split_once(",type:").ok_or(not_encrypted)?;
        let bytes = |text: &str| STANDARD.decode(text).map_err(|_| "is no base64");
        let (mut sealed, iv) = (bytes(data)?, bytes(iv)?);
        sealed.extend(bytes(tag)?);
        let place: String = path.iter().map(|key| format!("{key}:")).collect();
        let payload = Payload { msg: &sealed, aad: place.as_bytes() };
        let opened = match iv.len() {
            32 => self.gcm::<U32>(&iv, payload),
            12 => self.gcm::<U12>(&iv, payload),
            _ => return Err("its initialisation vector has a length that SOPS does not use".into()),
        };
        let opened = opened.ok_or("cannot be decrypted: it was changed, moved to another key or encrypted with another data key")?;
        typed(opened, kind)
    }

    fn gcm<N>(&self, iv: &[u8], payload: Payload<'_, '_>) -> Option<Vec<u8>>
    where
        N: aes_gcm::aead::array::ArraySize,
    {
        let cipher = AesGcm::<Aes256, N>::new_from_slice(&self.key).ok()?;
        cipher.decrypt(&Nonce::<N>::try_from(iv).ok()?, payload).ok()
    }
}

/// Returns a decrypted value with the type it had (`aes/cipher.go` `Decrypt`).
fn typed(bytes: Vec<u8>, kind: &str) -> Result<Value, String> {
    if kind == "bytes" {
        return Ok(Value::from(STANDARD.encode(bytes)));
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let wrong = || format!("is no {kind}");
    match kind {
        "str" | "time" => Ok(Value::from(text)),
        "int" => text.parse::<i64>().map(Value::from).map_err(|_| wrong()),
        "float" => text.parse::<f64>().map(Value::from).map_err(|_| wrong()),
        "bool" => match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::from(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::from(false)),
            _ => Err(wrong()),
        },
        _ => Err("has a type that SOPS does not use for values".into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct NoKeys;

    impl DataKeys for NoKeys {
        fn open(&self, _: &[&str]) -> Result<Vec<u8>, String> {
            Err("no key".into())
        }
    }

    #[test]
    fn what_cannot_be_decrypted_stays_as_it_is() {
        let before = json!({ "kind": "Secret", "data": { "a": "ENC[…]" }, "sops": { "mac": "ENC[…]", "age": [{ "enc": "x" }] } });
        let mut object = before.clone();
        assert!(decrypt_object(&mut object, &NoKeys).is_err());
        assert_eq!(object, before);
    }
}
