//! Renders charts from disk through both: each with its defaults, and with every values file under its `ci/`. CRDs are left out: the
//! oracle takes them before it decides on dependencies, `helm template` after.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Case, Helm, Question};
use crate::run::Mode;

/// Compares every chart in the folders, prints what differs and returns how many did.
pub fn compare(helm: &mut Helm, folders: &[PathBuf]) -> Result<usize> {
    let (mut same, mut different, mut refused, mut unanswered) = (0, 0, 0, 0);
    for folder in folders {
        for (name, case) in cases(folder).with_context(|| folder.display().to_string())? {
            let Some(theirs) = helm.theirs(std::slice::from_ref(&case))?.pop().flatten() else {
                unanswered += 1;
                println!("-- {name}: Helm does not repeat itself");
                continue;
            };
            let ours = Helm::ours(&case);
            refused += usize::from(theirs.starts_with("Error: "));
            if steady(&ours) == steady(&theirs) {
                same += 1;
                continue;
            }
            if helm.theirs(std::slice::from_ref(&case))?.pop().flatten().as_ref() != Some(&theirs) {
                unanswered += 1;
                println!("-- {name}: Helm does not repeat itself in a hook");
                continue;
            }
            different += 1;
            let (ours, theirs) = first_difference(&ours, &theirs);
            println!("-- {name}\n ours {ours}\n Helm {theirs}");
        }
    }
    println!("{} compared, {different} different, {refused} refused by Helm, {unanswered} that Helm does not repeat", same + different);
    Ok(different)
}

fn cases(folder: &Path) -> Result<Vec<(String, Case)>> {
    let mut files = BTreeMap::new();
    collect(folder, folder, &mut files)?;
    let mut values: Vec<(String, String)> = vec![("defaults".into(), "{}".into())];
    for (name, data) in files.iter().filter(|(name, _)| name.starts_with("ci/") && name.ends_with(".yaml")) {
        match ::helm::values::from_yaml_bytes(data) {
            Ok(found) => values.push((name.clone(), Value::Object(found).to_string())),
            Err(error) => println!("-- {}/{name}: {error}", folder.display()),
        }
    }
    let mut case = Case::render("published", "");
    case.files = files.into_iter().collect();
    case.question = Question::Folder;
    Ok(values.into_iter().map(|(name, values)| (format!("{} {name}", folder.display()), case.clone().with_values(values))).collect())
}

fn collect(root: &Path, at: &Path, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    for entry in std::fs::read_dir(at)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if path.is_file() {
            let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
            files.insert(name, std::fs::read(&path)?);
        }
    }
    Ok(())
}

/// Takes out what is made at random: long texts of base64, and passwords are told apart by nobody here.
fn steady(text: &str) -> String {
    let line = |line: &str| match line.split_once(": ") {
        Some((key, value)) if value.len() > 400 && !value.contains(' ') => format!("{key}: SECRET\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn first_difference<'t>(ours: &'t str, theirs: &'t str) -> (&'t str, &'t str) {
    let mut pairs = ours.lines().zip(theirs.lines());
    pairs.find(|(ours, theirs)| ours != theirs).unwrap_or(("ends or goes on elsewhere", ""))
}
