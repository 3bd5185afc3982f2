//! Go types that templates can tell from plain data: `common.Values` with its methods, `.Capabilities` and what hangs on it.

use std::any::Any;
use std::ops::Range;
use std::rc::Rc;

use go_template::{Call, Fault, Kind, Map, MapKind, Method, NamedMap, Native, Outcome, Type, Value, fixed};
use serde_json::json;

use super::Job;
use crate::capabilities::KubeVersion;
use crate::compat::HelmCompat;

static VALUES: NamedMap = NamedMap { name: "common.Values", methods: VALUES_METHODS };
static VALUES_V3: NamedMap = NamedMap { name: "chartutil.Values", methods: VALUES_METHODS };

/// Returns the Go type of `.Values` and of the dot itself.
pub(super) fn values_kind(compat: &HelmCompat) -> MapKind {
    MapKind::Named(if compat.is_v3() { &VALUES_V3 } else { &VALUES })
}

const VALUES_METHODS: &[Method] = &[
    Method { name: "AsMap", params: fixed(&[]), call: as_map },
    Method { name: "Encode", params: fixed(&[Type::Named("io.Writer")]), call: encode },
    Method { name: "PathValue", params: fixed(&[Type::String]), call: path_value },
    Method { name: "Table", params: fixed(&[Type::String]), call: table },
    Method { name: "YAML", params: fixed(&[]), call: yaml },
];

fn as_map(_: &mut Call<'_>, receiver: &Value, _: &[Value]) -> Outcome {
    Ok(Value::Map(receiver.as_map().map(|map| map.with_kind(MapKind::Any)).unwrap_or_default()))
}

fn encode(_: &mut Call<'_>, _: &Value, _: &[Value]) -> Outcome {
    Err(Fault::text("values cannot be encoded from a template"))
}

fn yaml(_: &mut Call<'_>, receiver: &Value, _: &[Value]) -> Outcome {
    let json = receiver.to_json().map_err(Fault::text)?;
    Ok(Value::str(go_encoding::yaml::marshal(&json).map_err(|error| Fault::text(error.to_string()))?))
}

fn argument(args: &[Value]) -> String {
    args.first().and_then(Value::as_bytes).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

fn find_table(map: &Map, path: &str) -> Result<Map, Fault> {
    path.split('.').try_fold(map.clone(), |table, key| match table.get(key.as_bytes()) {
        Some(Value::Map(inner)) => Ok(inner),
        _ => Err(Fault::text(format!("\"{key}\" is not a table"))),
    })
}

fn table(_: &mut Call<'_>, receiver: &Value, args: &[Value]) -> Outcome {
    let (Some(map), Value::Map(kind)) = (receiver.as_map(), receiver) else { return Ok(Value::Nil) };
    find_table(map, &argument(args)).map(|found| Value::Map(found.with_kind(kind.kind())))
}

fn path_value(_: &mut Call<'_>, receiver: &Value, args: &[Value]) -> Outcome {
    let Some(map) = receiver.as_map() else { return Ok(Value::Nil) };
    let path = argument(args);
    if path.is_empty() {
        return Err(Fault::text("YAML path cannot be empty"));
    }
    let (parent, key) = match path.rsplit_once('.') {
        Some((parent, key)) => (find_table(map, parent).ok(), key),
        None => (Some(map.clone()), path.as_str()),
    };
    match parent.and_then(|parent| parent.get(key.as_bytes())) {
        Some(value) if value.as_map().is_none() => Ok(value),
        _ => Err(Fault::text(format!("\"{key}\" is not a value"))),
    }
}

/// Returns `.Capabilities`.
pub(super) fn capabilities(job: &Job<'_>) -> Value {
    let kube = job.capabilities.kube_version.clone();
    let is_v3 = job.compat.is_v3();
    Value::native(CapabilitiesValue {
        type_name: if is_v3 { "*chartutil.Capabilities" } else { "*common.Capabilities" },
        kube_version: Value::native(KubeVersionValue { version: kube, addressable: true, is_v3 }),
        api_versions: Value::native(VersionSet { versions: job.capabilities.api_versions.clone(), is_v3 }),
        helm_version: Value::native(BuildInfo { version: job.compat.version().to_owned(), is_v3 }),
    })
}

struct CapabilitiesValue {
    type_name: &'static str,
    kube_version: Value,
    api_versions: Value,
    helm_version: Value,
}

impl Native for CapabilitiesValue {
    fn type_name(&self) -> &str {
        self.type_name
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "KubeVersion" => Some(self.kube_version.clone()),
            "APIVersions" => Some(self.api_versions.clone()),
            "HelmVersion" => Some(self.helm_version.clone()),
            _ => None,
        }
    }

    fn fields(&self) -> Option<Vec<(&'static str, Value)>> {
        ["KubeVersion", "APIVersions", "HelmVersion"].iter().map(|name| Some((*name, self.field(name)?))).collect()
    }

    fn json_fields(&self) -> Option<Vec<(&'static str, Value)>> {
        self.fields()
    }

    fn to_json(&self) -> Result<serde_json::Value, String> {
        Ok(json!({
            "KubeVersion": self.kube_version.to_json()?,
            "APIVersions": self.api_versions.to_json()?,
            "HelmVersion": self.helm_version.to_json()?,
        }))
    }

    fn equals(&self, other: &dyn Native) -> bool {
        self.to_json().ok() == other.to_json().ok()
    }
}

struct KubeVersionValue {
    version: KubeVersion,
    addressable: bool,
    is_v3: bool,
}

fn kube_version_text(_: &mut Call<'_>, receiver: &Value, _: &[Value]) -> Outcome {
    let version = receiver.downcast::<KubeVersionValue>();
    Ok(Value::str(version.map(|value| value.version.text().to_owned()).unwrap_or_default()))
}

fn git_version(_: &mut Call<'_>, receiver: &Value, _: &[Value]) -> Outcome {
    let version = receiver.downcast::<KubeVersionValue>();
    Ok(Value::str(version.map(|value| value.version.version.clone()).unwrap_or_default()))
}

const KUBE_VERSION_METHODS: &[Method] = &[
    Method { name: "GitVersion", params: fixed(&[]), call: git_version },
    Method { name: "String", params: fixed(&[]), call: kube_version_text },
];

impl Native for KubeVersionValue {
    fn type_name(&self) -> &str {
        if self.is_v3 { "chartutil.KubeVersion" } else { "common.KubeVersion" }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Version" => Some(Value::str(self.version.version.as_str())),
            "Major" => Some(Value::str(self.version.major.as_str())),
            "Minor" => Some(Value::str(self.version.minor.as_str())),
            _ => None,
        }
    }

    fn method(&self, name: &str) -> Option<&'static Method> {
        // They belong to the pointer: a copy that was passed to a function has lost them.
        KUBE_VERSION_METHODS.iter().find(|method| self.addressable && method.name == name)
    }

    fn fields(&self) -> Option<Vec<(&'static str, Value)>> {
        let KubeVersion { version, normalized, major, minor } = &self.version;
        let all = [("Version", version), ("normalizedVersion", normalized), ("Major", major), ("Minor", minor)];
        let known = all.into_iter().filter(|(name, _)| !self.is_v3 || *name != "normalizedVersion");
        Some(known.map(|(name, text)| (name, Value::str(text.as_str()))).collect())
    }

    fn printed(&self) -> Option<Vec<u8>> {
        self.addressable.then(|| self.version.text().as_bytes().to_vec())
    }

    fn by_value(&self) -> Option<Rc<dyn Native>> {
        self.addressable
            .then(|| Rc::new(KubeVersionValue { version: self.version.clone(), addressable: false, is_v3: self.is_v3 }) as Rc<dyn Native>)
    }

    fn reflected(&self) -> Option<Rc<dyn Native>> {
        let version = KubeVersion { normalized: String::new(), ..self.version.clone() };
        Some(Rc::new(KubeVersionValue { version, addressable: self.addressable, is_v3: self.is_v3 }))
    }

    fn json_fields(&self) -> Option<Vec<(&'static str, Value)>> {
        ["Version", "Major", "Minor"].iter().map(|name| Some((*name, self.field(name)?))).collect()
    }

    fn to_json(&self) -> Result<serde_json::Value, String> {
        Ok(json!({"Version": self.version.version, "Major": self.version.major, "Minor": self.version.minor}))
    }

    fn equals(&self, other: &dyn Native) -> bool {
        other.as_any().downcast_ref::<KubeVersionValue>().is_some_and(|other| other.version == self.version)
    }
}

struct VersionSet {
    versions: Vec<String>,
    is_v3: bool,
}

fn has(_: &mut Call<'_>, receiver: &Value, args: &[Value]) -> Outcome {
    let wanted = argument(args);
    Ok(Value::Bool(receiver.downcast::<VersionSet>().is_some_and(|set| set.versions.contains(&wanted))))
}

const VERSION_SET_METHODS: &[Method] = &[Method { name: "Has", params: fixed(&[Type::String]), call: has }];

impl Native for VersionSet {
    fn type_name(&self) -> &str {
        if self.is_v3 { "chartutil.VersionSet" } else { "common.VersionSet" }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> Kind {
        Kind::Slice
    }

    fn method(&self, name: &str) -> Option<&'static Method> {
        VERSION_SET_METHODS.iter().find(|method| method.name == name)
    }

    fn to_json(&self) -> Result<serde_json::Value, String> {
        Ok(json!(self.versions))
    }

    fn truth(&self) -> bool {
        !self.versions.is_empty()
    }

    fn len(&self) -> Option<usize> {
        Some(self.versions.len())
    }

    fn entries(&self) -> Option<Vec<(Value, Value)>> {
        Some(self.versions.iter().enumerate().map(|(at, version)| (Value::int(at as i64), Value::str(version.as_str()))).collect())
    }

    fn slice(&self, part: Range<usize>) -> Option<Rc<dyn Native>> {
        Some(Rc::new(VersionSet { versions: self.versions.get(part)?.to_vec(), is_v3: self.is_v3 }))
    }

    fn equals(&self, other: &dyn Native) -> bool {
        other.as_any().downcast_ref::<VersionSet>().is_some_and(|other| other.versions == self.versions)
    }
}

/// `.Capabilities.HelmVersion`; commit and toolchain are nobody's in particular.
struct BuildInfo {
    version: String,
    is_v3: bool,
}

impl Native for BuildInfo {
    fn type_name(&self) -> &str {
        "version.BuildInfo"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Version" => Some(Value::str(self.version.as_str())),
            "KubeClientVersion" if self.is_v3 => None,
            "GitCommit" | "GitTreeState" | "GoVersion" | "KubeClientVersion" => Some(Value::str("")),
            _ => None,
        }
    }

    fn fields(&self) -> Option<Vec<(&'static str, Value)>> {
        let names = ["Version", "GitCommit", "GitTreeState", "GoVersion", "KubeClientVersion"];
        Some(names.iter().filter_map(|name| Some((*name, self.field(name)?))).collect())
    }

    fn to_json(&self) -> Result<serde_json::Value, String> {
        Ok(json!({"version": self.version}))
    }

    fn equals(&self, other: &dyn Native) -> bool {
        other.as_any().downcast_ref::<BuildInfo>().is_some_and(|other| other.version == self.version)
    }
}
