//! One step of a manifest.

use std::time::Duration;

use go_encoding::yaml::node::{Data, Node};
use serde_json::Value;

use crate::field::{self, Fields};
use crate::grants::{self, Grants};
use crate::problem::{Place, Problems};

/// A step as written.
#[derive(Debug, Clone)]
pub struct Step {
    pub name: String,
    pub module: ModuleRef,
    pub release: Option<ReleaseRef>,
    /// The parameters, unchecked.
    pub with: Value,
    pub needs: Vec<String>,
    /// How long it may take; nothing where the manifest does not say.
    pub timeout: Option<Duration>,
    /// Whether a release that fails is rolled back, or uninstalled if it is new; nothing where the manifest does not say.
    pub rolls_back_on_failure: Option<bool>,
    pub grants: Grants,
    pub limits: Limits,
    /// Where the step begins.
    pub place: Place,
    needs_places: Vec<Place>,
    node: Node,
}

/// Where a step's module comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleRef {
    /// One that comes with the program.
    Stock(String),
    /// A file, relative to the manifest's folder.
    File(String),
    /// `oci://registry/repository[:tag][@digest]`.
    Oci(String),
}

impl ModuleRef {
    /// What helps with a text that is no module.
    pub const FORMS: &str = "write the name of a stock module, ./FILE.wasm, or oci://REGISTRY/REPOSITORY:TAG@sha256:DIGEST";
}

impl std::str::FromStr for ModuleRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("oci://") {
            return Ok(ModuleRef::Oci(text.into()));
        }
        if text.ends_with(".wasm") || text.starts_with("./") || text.starts_with("../") || text.starts_with('/') {
            return Ok(ModuleRef::File(text.into()));
        }
        if text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
            return Ok(ModuleRef::Stock(text.into()));
        }
        Err(format!("{text} is no module"))
    }
}

impl std::fmt::Display for ModuleRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ModuleRef::Stock(text) | ModuleRef::File(text) | ModuleRef::Oci(text) => f.write_str(text),
        }
    }
}

/// The namespace and name of a HelmRelease.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseRef {
    pub namespace: String,
    pub name: String,
}

impl std::fmt::Display for ReleaseRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl std::str::FromStr for ReleaseRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(ReleaseRef { namespace: namespace.into(), name: name.into() })
            }
            _ => Err(format!("{text} is not NAMESPACE/NAME")),
        }
    }
}

/// Limits of a step that differ from the program's defaults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory.
    pub memory: Option<u64>,
    /// Time the module itself computes.
    pub cpu: Option<Duration>,
    /// Bytes that one call may hand to the host.
    pub call_bytes: Option<u64>,
    /// Open handles.
    pub handles: Option<u64>,
    pub log_lines: Option<u64>,
}

impl Step {
    /// How long a step may take at least that does not say how long.
    pub const TIMEOUT: Duration = Duration::from_secs(10 * 60);

    /// Returns where a JSON pointer into the step (`/with/manifests/0`) is written, or the nearest place around it.
    pub fn locate(&self, pointer: &str) -> Place {
        let mut node = &self.node;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let inner = match &node.data {
                Data::Sequence(items) => token.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => node.get(&token),
            };
            match inner {
                Some(inner) => node = inner,
                None => break,
            }
        }
        Place::of(node)
    }

    /// Returns where the `index`th of its needs is written.
    pub(crate) fn need_place(&self, index: usize) -> Place {
        self.needs_places.get(index).copied().unwrap_or(self.place)
    }
}

pub(crate) fn steps(node: &Node, problems: &mut Problems) -> Vec<Step> {
    let items = field::items(node, "spec.steps", problems);
    if items.is_empty() {
        problems.add(
            Place::of(node),
            "spec.steps: there are no steps",
            Some("add `- { name: cilium, module: cilium, release: kube-system/cilium }`".into()),
        );
    }
    items.iter().filter_map(|item| step(item, problems)).collect()
}

fn step(node: &Node, problems: &mut Problems) -> Option<Step> {
    let name = node.get("name").and_then(Node::text).unwrap_or("without a name").to_owned();
    let what = format!("step {name}");
    let mut fields = Fields::of(node, &what, problems)?;
    let name = fields.required_text("name", problems);
    let module = fields.required_text("module", problems).and_then(|(text, place)| module(&text, place, &what, problems));
    let release = fields.text("release", problems).and_then(|(text, place)| match text.parse() {
        Ok(release) => Some(release),
        Err(message) => {
            problems.add(place, format!("{what}: release: {message}"), Some("write it as in `release: kube-system/cilium`".into()));
            None
        }
    });
    let with = fields.take("with").map(|node| with(node, &what, problems)).unwrap_or(Value::Null);
    let (needs, needs_places) = fields.texts("needs", problems).into_iter().unzip();
    let timeout = fields.text("timeout", problems).and_then(|(text, place)| duration(&text, place, &format!("{what}: timeout"), problems));
    let rolls_back_on_failure = fields.flag("rollbackOnFailure", problems);
    let grants = fields.take("grants").map(|node| grants::read(node, &name_of(&name), problems)).unwrap_or_default();
    let limits = fields.take("limits").map(|node| limits(node, &what, problems)).unwrap_or_default();
    fields.finish(problems);
    let (name, module) = (name?.0, module?);
    let (place, node) = (Place::of(node), node.clone());
    Some(Step { name, module, release, with, needs, timeout, rolls_back_on_failure, grants, limits, place, needs_places, node })
}

fn name_of(name: &Option<(String, Place)>) -> String {
    name.as_ref().map_or_else(|| "without a name".into(), |(name, _)| name.clone())
}

fn module(text: &str, place: Place, what: &str, problems: &mut Problems) -> Option<ModuleRef> {
    let parsed = text.parse();
    parsed.map_err(|message| problems.add(place, format!("{what}: module: {message}"), Some(ModuleRef::FORMS.into()))).ok()
}

fn with(node: &Node, what: &str, problems: &mut Problems) -> Value {
    match (&node.data, node.to_value()) {
        (Data::Mapping(_), Ok(value)) => value,
        (Data::Mapping(_), Err(error)) => {
            problems.add(Place::of(node), format!("{what}: with: {error}"), None);
            Value::Null
        }
        _ => {
            problems.add(Place::of(node), format!("{what}: with: expected a mapping"), None);
            Value::Null
        }
    }
}

fn limits(node: &Node, what: &str, problems: &mut Problems) -> Limits {
    let what = format!("{what}: limits");
    let Some(mut fields) = Fields::of(node, &what, problems) else { return Limits::default() };
    let cpu = fields.text("cpu", problems).and_then(|(text, place)| duration(&text, place, &format!("{what}.cpu"), problems));
    let mut size = |key: &str| {
        let node = fields.take(key)?;
        let parsed = node.text().and_then(quantity);
        if parsed.is_none() {
            problems.add(
                Place::of(node),
                format!("{what}.{key}: not a size"),
                Some("write a whole number, or one with Ki, Mi or Gi".into()),
            );
        }
        parsed
    };
    let (memory, call_bytes, handles, log_lines) = (size("memory"), size("callBytes"), size("handles"), size("logLines"));
    fields.finish(problems);
    Limits { memory, cpu, call_bytes, handles, log_lines }
}

/// Reads a whole number with an optional binary suffix.
fn quantity(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" => 1,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor).filter(|size| *size > 0)
}

/// Reads a duration as Go writes it: `90s`, `10m`, `1h30m`.
fn duration(text: &str, place: Place, what: &str, problems: &mut Problems) -> Option<Duration> {
    let parsed = go_duration(text).filter(|duration| !duration.is_zero());
    if parsed.is_none() {
        problems.add(place, format!("{what}: {text} is not a duration"), Some("write it as 90s, 10m or 1h30m".into()));
    }
    parsed
}

fn go_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |end| digits + end);
        let amount: f64 = rest[..digits].parse().ok()?;
        let seconds = match &rest[digits..unit] {
            "ms" => amount / 1000.0,
            "s" => amount,
            "m" => amount * 60.0,
            "h" => amount * 3600.0,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        rest = &rest[unit..];
    }
    (!text.is_empty()).then_some(total)
}
