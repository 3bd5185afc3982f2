//! What ours says.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use helm::{Capabilities, Chart, HelmCompat, KubeVersion, RenderRequest, TemplateOutput, values};
use serde_json::{Map, Value};

use super::{Case, Question};

/// After how long an input counts as endless.
const PATIENCE: Duration = Duration::from_secs(180);

/// Is a moment: seconds since 1970, and nanoseconds.
type Moment = (i64, u32);

/// Answers as the oracle does; a panic is an answer that equals no other.
pub fn answer(case: &Case) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    answer_at(case, (now.as_secs() as i64, now.subsec_nanos()))
}

/// Answers as at a moment.
pub fn answer_at(case: &Case, now: Moment) -> String {
    match catch_unwind(AssertUnwindSafe(|| try_answer(case, now))) {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => format!("Error: {error}"),
        Err(_) => "PANIC".to_owned(),
    }
}

fn try_answer(case: &Case, now: Moment) -> Result<String, String> {
    match case.question {
        Question::Set(option) => set(option, &case.text),
        Question::Folder => {
            let chart = Chart::from_files(case.files.clone()).map_err(|error| error.to_string())?;
            template(case, &chart, now)
        }
        Question::Template => template(case, &load(case)?, now),
        Question::Render => Ok(render(case, &load(case)?, now)?.notes),
    }
}

fn load(case: &Case) -> Result<Chart, String> {
    Chart::from_archive("c.tgz", &archive(&case.files)).map_err(|error| error.to_string())
}

/// Packs a chart.
pub fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), Compression::none());
    for (name, data) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::Regular);
        // Odd names are the point: they are put in as they are.
        let field = &mut header.as_old_mut().name;
        let name = format!("c/{name}");
        let length = name.len().min(field.len());
        field[..length].copy_from_slice(&name.as_bytes()[..length]);
        header.set_cksum();
        let padding = vec![0; data.len().next_multiple_of(512) - data.len()];
        [&header.as_bytes()[..], data, &padding].iter().for_each(|part| packed.write_all(part).expect("memory takes it"));
    }
    packed.write_all(&[0; 1024]).and_then(|()| packed.finish()).expect("memory takes it")
}

fn render(case: &Case, chart: &Chart, now: Moment) -> Result<helm::Rendered, String> {
    let compat = HelmCompat::of("4.2.3");
    let mut request = RenderRequest::new("rel", "ns");
    request.capabilities = Capabilities::offline(&compat).with_kube_version(KubeVersion::parse("v1.33.1", &compat).expect("a version"));
    request.compat = compat;
    let entropy = sprig::Entropy::from_seed([7; 32]);
    request.environment = Some(sprig::Environment { seconds: now.0, nanoseconds: now.1, entropy });
    request.is_upgrade = case.is_upgrade;
    let given: Map<String, Value> = serde_json::from_str(&case.values).map_err(|error| error.to_string())?;
    if let Value::Object(given) = values::as_floats(Value::Object(given)) {
        request.values = given;
    }
    let started = Instant::now();
    request.interrupt = Some(Arc::new(move || started.elapsed() > PATIENCE));
    helm::render(chart, &request).map_err(|error| error.to_string())
}

fn template(case: &Case, chart: &Chart, now: Moment) -> Result<String, String> {
    let rendered = render(case, chart, now)?;
    let options = TemplateOutput { include_crds: case.include_crds, ..TemplateOutput::default() };
    let output = rendered.template_output(&options).map_err(|error| error.to_string())?;
    Ok(format!("{output}\n-- notes\n{}", rendered.notes))
}

fn set(option: &str, text: &str) -> Result<String, String> {
    let mut map = Map::new();
    let set = match option {
        "set" => values::set,
        "set-string" => values::set_string,
        "set-json" => values::set_json,
        _ => values::set_literal,
    };
    set(&mut map, text).map_err(|error| error.to_string())?;
    // The SDK prints the values as JSON, where a whole float is a whole number.
    let printed = go_template::Value::from_json_int64(&Value::Object(map)).to_json()?;
    Ok(printed.to_string())
}
