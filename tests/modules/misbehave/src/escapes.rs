//! Reaching for what lies beside the grant.

use guest_sdk::export::bindings::launchway::bootstrap::{charts, files};
use guest_sdk::{Host, Value, json};

/// Ways to name a file that is not granted. `granted` is a folder that is.
const PATHS: &[&str] = &[
    "secret.txt",
    "../outside.txt",
    "../../../../../../../../etc/passwd",
    "/etc/passwd",
    "/secret.txt",
    "./secret.txt",
    "granted/../secret.txt",
    "granted/../../outside.txt",
    "granted//../secret.txt",
    "granted/./../secret.txt",
    "granted/link-to-secret",
    "granted/link-outside",
    "granted/link-absolute",
    "granted/link-folder/secret.txt",
    "granted/..%2fsecret.txt",
    "granted/%2e%2e/secret.txt",
    "granted\\..\\secret.txt",
    "granted/..\\secret.txt",
    "granted/\u{2024}\u{2024}/secret.txt",
    "granted/\u{ff0e}\u{ff0e}/secret.txt",
    "granted/\u{2215}../secret.txt",
    "secret.txt\0.yaml",
    "granted\0/../secret.txt",
    ".git/config",
    "granted/.git/config",
    "granted-too/secret.txt",
    "file:///etc/passwd",
    "\\\\?\\C:\\secret.txt",
    "granted/pipe",
];

/// Tries every path in every way, and returns what worked.
pub fn all(host: &impl Host) -> Value {
    let long = format!("granted/{}secret.txt", "x/../".repeat(100_000));
    let deep = format!("granted/{}secret.txt", "../".repeat(1000));
    let mut worked = Vec::new();
    for path in PATHS.iter().copied().chain([long.as_str(), deep.as_str()]) {
        let shown = &path[..path.len().min(60)];
        let mut tried = |way: &str, found: Option<String>| {
            if let Some(found) = found {
                worked.push(format!("{way} {shown}: {found}"));
            }
        };
        tried("read-text", host.read_text(path).ok());
        tried("read-bytes", host.read_bytes(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
        let below = files::root("repository").and_then(|root| root.subdir("granted"));
        tried("subdir, read-text", below.and_then(|dir| dir.read_text(path.trim_start_matches("granted/"))).ok());
        let folder = path.rsplit_once('/').map_or(path, |(folder, _)| folder);
        let listed = host.list_folder(folder).ok().filter(|entries| entries.iter().any(|entry| entry.name.contains("secret")));
        tried("list", listed.map(|entries| format!("{} entries", entries.len())));
    }
    for pattern in ["**", "*", "../*", "/etc/*", "granted/../*", "**/secret.txt", "{secret,x}.txt", "[s]ecret.txt"] {
        let found = host.glob(pattern).unwrap_or_default();
        worked.extend(
            found.iter().filter(|path| path.contains("secret") || path.contains("outside")).map(|path| format!("glob {pattern}: {path}")),
        );
    }
    for folder in ["granted/kustomize", "granted/kustomize-link", "granted/kustomize-dots"] {
        if let Ok(text) = host.kustomize(folder) {
            worked.push(format!("kustomize {folder}: {text}"));
        }
    }
    json!({ "worked": worked })
}

/// Reads the files it was told to.
pub fn read(host: &impl Host, paths: &[String]) -> Value {
    paths.iter().map(|path| host.read_text(path).map_or_else(|failure| json!(failure.to_string()), Value::from)).collect()
}

/// Fetches the charts it was told to.
pub fn fetch(host: &impl Host, references: &[String]) -> Value {
    let fetch = |reference: &String| match charts::fetch(reference, None) {
        Ok(chart) => json!(chart.info()),
        Err(failure) => json!(failure.code),
    };
    let others = [
        "granted-charts/../other-chart",
        "/etc",
        "../x",
        "oci://127.0.0.1:1/allowed/../other/chart",
        "oci://127.0.0.1:1/allowed/%2e%2e/other",
    ];
    let _ = host;
    references.iter().cloned().chain(others.map(str::to_owned)).map(|reference| fetch(&reference)).collect()
}
