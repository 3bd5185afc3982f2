//! Renders the charts under `tests/render` and compares with what real Helm printed, byte for byte.
//!
//! A folder has a `chart` and a folder a case: `values.yaml`, and `expect.yaml` with `expect.notes`, or `expect.err`. The expected
//! files come from Helm 4.2.3, or from the one that the file `version` of a case names
//! (`helm template rel chart --namespace ns --kube-version v1.33.1`), never from us.

use std::path::{Path, PathBuf};

use helm::{Chart, HelmCompat, KubeVersion, RenderRequest, TemplateOutput};

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    found.sort();
    found
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, Vec<u8>)>) {
    for path in entries(folder) {
        let name = format!("{prefix}{}", path.file_name().expect("a name").to_string_lossy());
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files);
        } else {
            files.push((name, std::fs::read(&path).expect("a file")));
        }
    }
}

fn check(chart: &Chart, case: &Path) -> Result<(), String> {
    let expected = |name: &str| std::fs::read_to_string(case.join(name)).ok();
    let compat = HelmCompat::of(expected("version").as_deref().map_or("4.2.3", str::trim));
    let mut request = RenderRequest::new("rel", "ns");
    request.capabilities =
        helm::Capabilities::offline(&compat).with_kube_version(KubeVersion::parse("v1.33.1", &compat).expect("a version"));
    request.compat = compat;
    request.values = helm::values::from_yaml(&std::fs::read_to_string(case.join("values.yaml")).expect("values")).expect("values");
    let compare = |found: &str, expect: &str| if found == expect { Ok(()) } else { Err(format!("ours:\n{found}\nHelm:\n{expect}")) };
    match helm::render(chart, &request) {
        Err(error) => compare(&format!("Error: {error}\n"), &expected("expect.err").ok_or_else(|| format!("fails: {error}"))?),
        Ok(rendered) => {
            let options = TemplateOutput::default();
            let output = rendered.template_output(&options).map_err(|error| error.to_string())?;
            compare(&output, &expected("expect.yaml").ok_or("renders, Helm refuses")?)?;
            compare(rendered.notes.trim_end(), expected("expect.notes").unwrap_or_default().trim_end())
        }
    }
}

#[test]
fn renders_own_charts_as_helm_does() {
    let mut failures = Vec::new();
    let mut count = 0;
    for folder in entries(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/render")).into_iter().filter(|path| path.is_dir()) {
        let mut files = Vec::new();
        collect(&folder.join("chart"), "", &mut files);
        let chart = Chart::from_files(files).expect("a chart");
        for case in entries(&folder).into_iter().filter(|case| case.join("values.yaml").is_file() && !case.ends_with("chart")) {
            count += 1;
            if let Err(error) = check(&chart, &case) {
                failures.push(format!("{}: {error}", case.display()));
            }
        }
    }
    assert!(count > 40, "only {count} cases found");
    assert!(failures.is_empty(), "{} of {count} fail:\n{}", failures.len(), failures.join("\n"));
}
