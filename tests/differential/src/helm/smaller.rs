//! Ways to make a case smaller, for reproductions.

use serde_json::Value;

use super::Case;

/// Returns smaller cases, the smallest first.
pub fn smaller(case: &Case) -> Vec<Case> {
    let mut found = Vec::new();
    for at in 1..case.files.len() {
        let mut less = case.clone();
        less.files.remove(at);
        found.push(less);
    }
    if let Ok(Value::Object(values)) = serde_json::from_str::<Value>(&case.values) {
        if values.len() > 3 {
            found.push(Case { values: "{}".into(), ..case.clone() });
        }
        for key in values.keys() {
            let mut less = values.clone();
            less.remove(key);
            found.push(Case { values: Value::Object(less).to_string(), ..case.clone() });
        }
    }
    let parts = case.files.iter().enumerate().skip(1).rev();
    let by_file: Vec<(usize, Vec<Vec<u8>>)> = parts.map(|(at, (_, data))| (at, shorter(data))).collect();
    for (at, texts) in by_file {
        found.extend(texts.into_iter().map(|text| {
            let mut less = case.clone();
            less.files[at].1 = text;
            less
        }));
    }
    let texts = shorter(case.text.as_bytes());
    found.extend(texts.into_iter().filter_map(|text| Some(Case { text: String::from_utf8(text).ok()?, ..case.clone() })));
    found
}

/// Returns the text without one piece of it, for large pieces, then small ones.
fn shorter(text: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut size = text.len() / 2;
    while size > 0 {
        for start in (0..text.len()).step_by(size) {
            let end = (start + size).min(text.len());
            found.push([&text[..start], &text[end..]].concat());
        }
        if found.len() > 300 {
            break;
        }
        size = if size > 8 { size / 2 } else { size - 1 };
    }
    found
}
