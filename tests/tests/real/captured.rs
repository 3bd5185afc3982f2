//! Renders the releases that real helm-controllers installed, from the same charts and HelmReleases: the record must equal theirs byte
//! for byte but for times, and so must the digests in the status of the HelmRelease.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use flux::PostRender;
use helm::release::{Info, LastRun, Release};
use helm::{Capabilities, Chart, HelmCompat, KubeVersion, RenderRequest, RenderedDocument};
use launchway_tests::read_packed;
use serde_json::Value;
use sha2::{Digest, Sha256};
use shared_data::folder as shared;

/// What each generation of helm-controller is built with.
const GENERATIONS: &[(&str, &str)] = &[("hc-1.5.0", "4.1.1"), ("hc-1.6.3", "4.2.4")];

fn json(path: &Path) -> Value {
    serde_json::from_str(&read_packed(path).unwrap()).unwrap()
}

/// Finds the archive of the chart that a release was made of.
fn chart(record: &Value) -> Chart {
    let metadata = &record["chart"]["metadata"];
    let archive = format!("charts/{}-{}.tgz", metadata["name"].as_str().unwrap(), metadata["version"].as_str().unwrap());
    Chart::from_archive(&archive, &std::fs::read(shared(".").join(&archive)).unwrap()).unwrap()
}

fn request(helm_release: &Value, record: &Value, version: &str) -> RenderRequest {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let compat = HelmCompat::of(version);
    let mut request = RenderRequest::new(text(&record["name"]), text(&record["namespace"]));
    request.capabilities = Capabilities::offline(&compat).with_kube_version(KubeVersion::live("v1.36.3", "1", "36"));
    request.compat = compat;
    if let Value::Object(values) = helm::values::as_floats(helm_release["spec"]["values"].clone()) {
        request.values = values;
    }
    let post_render = PostRender::of(helm_release);
    let change = move |documents: Vec<RenderedDocument>| {
        let documents: Vec<_> = documents.into_iter().map(|document| (document.path, document.text)).collect();
        let changed = post_render.run(&documents)?;
        Ok(changed.into_iter().map(|(path, text)| RenderedDocument { path, text }).collect())
    };
    request.post_render = Some(helm::PostRender { strategy: helm::Strategy::Combined, change: Arc::new(change) });
    request
}

/// Gives a record what only the run knows: times and how hooks ended. Hooks that ran have the policy they ran with.
fn with_times(mut ours: Release, theirs: &Release) -> Release {
    ours.info = theirs.info.clone().map(|info| Info { notes: ours.info.clone().unwrap_or_default().notes, ..info });
    for (ours, theirs) in ours.hooks.iter_mut().zip(&theirs.hooks) {
        ours.last_run = LastRun { ..theirs.last_run.clone() };
        if !ours.last_run.phase.is_empty() && ours.delete_policies.is_empty() {
            ours.delete_policies = vec!["before-hook-creation".into()];
        }
    }
    ours
}

fn sha256(text: &str) -> String {
    format!("sha256:{}", Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn difference(ours: &str, theirs: &str) -> String {
    let at = ours.bytes().zip(theirs.bytes()).position(|(left, right)| left != right).unwrap_or(ours.len().min(theirs.len()));
    let around = |text: &str| {
        String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(200).min(text.len())..(at + 200).min(text.len())]).into_owned()
    };
    format!("at {at}:\n  ours   {}\n  theirs {}", around(ours), around(theirs))
}

fn check(folder: &Path, version: &str) -> Result<(), String> {
    let (helm_release, record) = (json(&folder.join("helmrelease.json")), json(&folder.join("release.json")));
    let theirs = Release::from_json(record.to_string().as_bytes()).unwrap();
    let request = request(&helm_release, &record, version);
    let rendered = helm::render(&chart(&record), &request).map_err(|error| error.to_string())?;
    let ours = with_times(Release::new(&request, &rendered, Info::default(), "ssa"), &theirs);
    if ours.to_json() != theirs.to_json() {
        return Err(difference(&ours.to_json(), &theirs.to_json()));
    }
    let snapshot = &helm_release["status"]["history"][0];
    let digest = sha256(&ours.observation(snapshot["ociDigest"].as_str()));
    if snapshot["digest"] != digest.as_str() {
        return Err(format!("the digest is {digest}, theirs {}", snapshot["digest"]));
    }
    Ok(())
}

#[test]
#[cfg_attr(not(has_shared), ignore = "skipped: ../shared is not here")]
fn records_and_digests_are_those_of_helm_controller() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (generation, version) in GENERATIONS {
        let mut folders: Vec<_> =
            std::fs::read_dir(shared("captured").join(generation)).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        for folder in folders {
            count += 1;
            if let Err(message) = check(&folder, version) {
                wrong.push(format!("{generation}/{}: {message}", folder.file_name().unwrap().display()));
            }
        }
    }
    assert!(count >= 15, "{count}");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}
