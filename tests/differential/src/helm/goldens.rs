//! Prints the goldens of `crates/helm/tests/conformance`: what Helm makes of each template there.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{Case, Helm};

/// Rewrites what is expected of every template there, or in one file; a line may have a template alone.
pub fn write(helm: &mut Helm, only: Option<&str>) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/helm/tests/conformance");
    let read = |path: PathBuf| std::fs::read_to_string(&path).with_context(|| path.display().to_string());
    let (values, helpers) = (read(folder.join("values.json"))?, read(folder.join("_helpers.tpl"))?);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.retain(|path| only.is_none_or(|only| path.file_stem().is_some_and(|stem| stem == only)));
    files.sort();
    for file in files {
        let text = read(file.clone())?;
        let lines = text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect::<Result<Vec<Value>>>();
        let lines = lines.with_context(|| file.display().to_string())?;
        let cases: Vec<Case> = lines.iter().map(|line| case(line, &values, &helpers)).collect();
        let mut text = String::new();
        for (line, answer) in lines.iter().zip(helm.ask(&cases)?) {
            let Some(answer) = answer else { bail!("{}: Helm does not answer {}", file.display(), line["template"]) };
            let mut line = line.clone();
            line["expect"] = json!(answer);
            text += &format!("{line}\n");
        }
        std::fs::write(file, text)?;
    }
    Ok(())
}

/// Makes the chart of a template: what `in` holds is the file `in`, and `schema` is checked against the `values` beside it.
fn case(line: &Value, values: &str, helpers: &str) -> Case {
    let text = |key: &str| line[key].as_str().unwrap_or_default();
    let values = line.get("values").map_or_else(|| values.to_owned(), Value::to_string);
    let case = Case::render("conformance", text("template")).with_values(values);
    let case = case.with("templates/_helpers.tpl", helpers).with("f.txt", "line one\nzwei é\n\nend\n").with("d/g.txt", "g");
    let case = case.with("in", text("in"));
    match line.get("schema") {
        Some(schema) => case.with("values.schema.json", schema.to_string()),
        None => case,
    }
}
