//! The release record: what Helm stores about a release in a Secret (`pkg/release/v1`, `pkg/storage/driver/util.go`).
//!
//! The tree follows Go's structs field by field, because other tools read the record and because its exact JSON takes part in digests.
//! What a generation leaves out is an option that is nothing.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::chart::{Chart, File, Metadata};
use crate::manifest::Hook;
use crate::render::{RenderRequest, Rendered};

/// How large a record may be when unpacked.
const MAX_RECORD: u64 = 256 * 1024 * 1024;

/// The zero time of Go.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// Why a stored record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is not base64.
    #[error("release record is not base64")]
    Base64(#[source] base64::DecodeError),
    /// It is not gzip, although it starts so.
    #[error("release record cannot be unpacked")]
    Gzip(#[source] std::io::Error),
    /// It is larger than any real record.
    #[error("release record is larger than {MAX_RECORD} bytes")]
    TooLarge,
    /// It is not the JSON of a release.
    #[error("release record is not a release")]
    Json(#[source] serde_json::Error),
}

/// One revision of a release.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Release {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<Info>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart: Option<ChartRecord>,
    /// The user's values.
    #[serde(skip_serializing_if = "Data::is_empty")]
    pub config: Data,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub hooks: Vec<HookRecord>,
    /// The revision.
    #[serde(skip_serializing_if = "is_zero")]
    pub version: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// `ssa` or `csa`; nothing before Helm 4, which means client side.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub apply_method: String,
    /// Labels that a person gave it. They are on its Secret, and not in the record.
    #[serde(skip)]
    pub labels: BTreeMap<String, String>,
}

/// The state of a release. Times are RFC 3339 text as stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_deployed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_deployed: Option<String>,
    /// Helm 3 always writes it, empty where the release was not deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// `deployed`, `failed`, `pending-install`, and so on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notes: String,
}

/// The chart of a release; its subcharts are not stored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChartRecord {
    pub metadata: Option<Metadata>,
    pub lock: Option<LockRecord>,
    pub templates: Option<Vec<FileRecord>>,
    pub values: Data,
    pub schema: Option<Bytes>,
    /// Not written by Helm 3.
    #[serde(rename = "schemamodtime", skip_serializing_if = "Option::is_none")]
    pub schema_modified: Option<String>,
    pub files: Option<Vec<FileRecord>>,
    /// Not written by Helm 3.
    #[serde(rename = "modtime", skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
}

/// A `Chart.lock`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LockRecord {
    pub generated: String,
    pub digest: String,
    pub dependencies: Option<Vec<crate::chart::Dependency>>,
}

/// A file of the chart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileRecord {
    pub name: String,
    pub data: Option<Bytes>,
    /// Not written by Helm 3.
    #[serde(rename = "modtime", skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
}

/// A hook.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HookRecord {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub events: Vec<String>,
    pub last_run: LastRun,
    #[serde(skip_serializing_if = "is_zero")]
    pub weight: i64,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub delete_policies: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub output_log_policies: Vec<String>,
}

/// How a hook ran last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastRun {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// `Running`, `Succeeded`, `Failed`, or empty where it never ran.
    pub phase: String,
}

/// Bytes, base64 in JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Bytes).map_err(serde::de::Error::custom)
    }
}

/// Free data, whose numbers are written as Go writes them; nothing is a nil map.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Data(pub Option<Map<String, Value>>);

impl Data {
    fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(Map::is_empty)
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.0.clone().map_or(Value::Null, Value::Object);
        let text = go_encoding::json::to_string(&value);
        RawValue::from_string(text).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Data, D::Error> {
        Option::deserialize(deserializer).map(Data)
    }
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Release {
    /// Returns the record of a rendered release. `apply_method` is `ssa` or `csa`; Helm 3 does not store it.
    pub fn new(request: &RenderRequest, rendered: &Rendered, info: Info, apply_method: &str) -> Release {
        let is_v3 = request.compat.is_v3();
        Release {
            name: request.name.clone(),
            info: Some(Info { notes: rendered.notes.clone(), ..info }),
            chart: Some(ChartRecord::new(&rendered.chart, request)),
            config: Data(Some(request.values.clone())),
            manifest: rendered.manifest(),
            hooks: rendered.hooks.iter().map(|hook| HookRecord::new(hook, is_v3)).collect(),
            version: request.revision,
            namespace: request.namespace.clone(),
            apply_method: if is_v3 { String::new() } else { apply_method.to_owned() },
            labels: BTreeMap::new(),
        }
    }

    /// Returns the record as JSON, byte for byte as Go writes it.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string(self).expect("the tree has text keys only, and no number that JSON lacks");
        escape_html(&text)
    }

    /// Reads the record from JSON.
    pub fn from_json(text: &[u8]) -> Result<Release, RecordError> {
        serde_json::from_slice(text).map_err(RecordError::Json)
    }

    /// Returns what goes under `release` into the Secret's data, before Kubernetes adds its own base64.
    pub fn encode(&self) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let packed = gzip.write_all(self.to_json().as_bytes()).and_then(|()| gzip.finish());
        STANDARD.encode(packed.expect("writing to memory does not fail")).into_bytes()
    }

    /// Reads what a Secret holds, packed or not.
    pub fn decode(data: &[u8]) -> Result<Release, RecordError> {
        let bytes = STANDARD.decode(data).map_err(RecordError::Base64)?;
        if !bytes.starts_with(&[0x1f, 0x8b, 0x08]) {
            return Release::from_json(&bytes);
        }
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(&bytes[..]).take(MAX_RECORD + 1).read_to_end(&mut text).map_err(RecordError::Gzip)?;
        if text.len() as u64 > MAX_RECORD {
            return Err(RecordError::TooLarge);
        }
        Release::from_json(&text)
    }
}

impl HookRecord {
    fn new(hook: &Hook, is_v3: bool) -> HookRecord {
        let never = is_v3.then(String::new);
        HookRecord {
            name: hook.document.name.clone(),
            kind: hook.document.kind.clone(),
            path: hook.document.path.clone(),
            manifest: hook.document.text.clone(),
            events: hook.events.clone(),
            last_run: LastRun { started_at: never.clone(), completed_at: never, phase: String::new() },
            weight: hook.weight,
            delete_policies: hook.delete_policies.clone(),
            output_log_policies: hook.output_log_policies.clone(),
        }
    }
}

impl ChartRecord {
    fn new(chart: &Chart, request: &RenderRequest) -> ChartRecord {
        let is_v3 = request.compat.is_v3();
        let time =
            |modified: Option<(i64, u32)>| if is_v3 { None } else { modified.map(|(seconds, nanoseconds)| rfc3339(seconds, nanoseconds)) };
        let files = |files: &[File]| {
            let record =
                |file: &File| FileRecord { name: file.name.clone(), data: Some(Bytes(file.data.to_vec())), modified: time(file.modified) };
            // An empty list of files is written as a nil one only where there never was any.
            files.iter().map(record).collect::<Vec<_>>()
        };
        ChartRecord {
            metadata: Some(chart.metadata.clone()),
            lock: chart.lock.clone().and_then(|lock| serde_json::from_value(lock).ok()),
            templates: Some(files(&chart.templates)).filter(|files| !files.is_empty()),
            values: Data(Some(chart.values(&request.compat))),
            schema: chart.schema.as_ref().map(|schema| Bytes(schema.to_vec())),
            schema_modified: if is_v3 { None } else { Some(time(chart.schema_modified).unwrap_or_else(|| ZERO_TIME.to_owned())) },
            files: Some(files(&chart.files)),
            modified: time(chart.modified),
        }
    }
}

/// Writes `<`, `>`, `&` and the line separators of Unicode as escapes; outside of strings JSON has none of them.
pub(crate) fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 16);
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Returns a time of Unix as Go writes it in UTC: RFC 3339, the fraction without trailing zeros.
pub fn rfc3339(seconds: i64, nanoseconds: u32) -> String {
    let days = seconds.div_euclid(86_400);
    let (hour, minute, second) = (seconds.rem_euclid(86_400) / 3600, seconds.rem_euclid(3600) / 60, seconds.rem_euclid(60));
    // Days to a date, counted in eras of 400 years from March of year 0.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let fraction = format!("{nanoseconds:09}");
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{point}{fraction}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_times() {
        assert_eq!(rfc3339(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_795_454_952, 333_372_590), "2026-11-23T17:29:12.33337259Z");
        assert_eq!(rfc3339(-62_135_596_800, 0), ZERO_TIME);
        assert_eq!(rfc3339(951_782_400, 0), "2000-02-29T00:00:00Z");
    }

    #[test]
    fn keeps_both_forms() {
        let v4 = r#"{"name":"a","info":{"first_deployed":"2026-01-01T00:00:00Z","status":"deployed"},"chart":{"metadata":{"name":"a","version":"1.0.0","apiVersion":"v2"},"lock":null,"templates":[{"name":"templates/a.yaml","data":"aGk=","modtime":"1970-01-01T00:00:00Z"}],"values":{"f":1.5e+30,"i":10,"t":"\u003ca\u003e"},"schema":null,"schemamodtime":"0001-01-01T00:00:00Z","files":[]},"config":{"x":1e-7},"manifest":"---\n","hooks":[{"name":"h","last_run":{"phase":""},"weight":-1}],"version":1,"namespace":"n","apply_method":"ssa"}"#;
        let v3 = r#"{"name":"a","info":{"first_deployed":"","last_deployed":"","deleted":""},"chart":{"metadata":null,"lock":null,"templates":null,"values":null,"schema":"e30=","files":null},"hooks":[{"last_run":{"started_at":"","completed_at":"","phase":""}}],"version":2}"#;
        for text in [v4, v3] {
            let release = Release::from_json(text.as_bytes()).expect("reads");
            assert_eq!(release.to_json(), text);
            assert_eq!(Release::decode(&release.encode()).expect("reads"), release);
        }
        assert!(matches!(Release::decode(b"!"), Err(RecordError::Base64(_))));
        assert!(matches!(Release::decode(STANDARD.encode("1").as_bytes()), Err(RecordError::Json(_))));
    }
}
