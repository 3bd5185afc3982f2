//! A case of a transcript: a command line, the files it meets, and what it must print.
//!
//! ```text
//! $ launchway boot --sandbox
//! from examples/home          (optional: a folder of the repository to start from)
//! remove PATH                 (optional: leaves a file or folder of it out)
//! link PATH TARGET            (optional: a symbolic link)
//! === file PATH
//! content
//! === exit 2
//! === stdout
//! === stderr
//! ```
//!
//! Times, the temporary folder and the place of the repository are shown as `TIME`, `$TEMP` and `$ROOT`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use regex::Regex;
use tempfile::TempDir;

use crate::{Run, copy_into, files, root, temporary};

/// A case as it is written.
#[derive(Debug, Default)]
pub struct Case {
    /// The arguments of `launchway`.
    pub args: Vec<String>,
    /// Everything before the expectation.
    head: String,
    from: Option<String>,
    removed: Vec<String>,
    links: Vec<(String, String)>,
    files: Vec<(String, String)>,
    /// Everything after it.
    pub expected: String,
}

/// Reads every `*.case` below a folder of the repository.
pub fn cases(folder: &str) -> Result<Vec<(PathBuf, Case)>> {
    let all = files(&root().join(folder))?;
    let read = |file: PathBuf| {
        let case = fs::read_to_string(&file).map_err(Into::into).and_then(|text| Case::parse(&text));
        case.with_context(|| file.display().to_string()).map(|case| (file, case))
    };
    all.into_iter().filter(|file| file.extension().is_some_and(|end| end == "case")).map(read).collect()
}

impl Case {
    /// Returns how a run differs from what is expected; with `BLESS` set, writes what it printed into the file instead.
    pub fn difference(&self, file: &Path, run: &Run, folder: &Path) -> Result<Option<String>> {
        let (whole, found) = self.with(run, folder);
        if std::env::var_os("BLESS").is_some() {
            fs::write(file, whole).with_context(|| file.display().to_string())?;
            return Ok(None);
        }
        let diff = similar::TextDiff::from_lines(self.expected.as_str(), found.as_str());
        Ok((found != self.expected).then(|| format!("{}\n{}", file.display(), diff.unified_diff().header("expected", "found"))))
    }

    /// Reads a case.
    pub fn parse(text: &str) -> Result<Case> {
        let (head, expected) = match text.find("=== exit") {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let mut case = Case { head: head.to_owned(), expected: expected.to_owned(), ..Case::default() };
        for line in head.split_inclusive('\n') {
            if let Some(path) = line.strip_prefix("=== file ") {
                case.files.push((path.trim().to_owned(), String::new()));
            } else if let Some((_, content)) = case.files.last_mut() {
                content.push_str(line);
            } else if let Some(command) = line.strip_prefix("$ launchway ") {
                case.args = command.split_whitespace().map(str::to_owned).collect();
            } else if let Some(from) = line.strip_prefix("from ") {
                case.from = Some(from.trim().to_owned());
            } else if let Some(path) = line.strip_prefix("remove ") {
                case.removed.push(path.trim().to_owned());
            } else if let Some((path, target)) = line.strip_prefix("link ").and_then(|link| link.trim().split_once(' ')) {
                case.links.push((path.to_owned(), target.to_owned()));
            } else if !line.trim().is_empty() {
                bail!("a case has no line like {line:?}");
            }
        }
        if case.args.is_empty() { bail!("a case starts with `$ launchway …`") } else { Ok(case) }
    }

    /// Makes the folder that the command meets.
    pub fn folder(&self) -> Result<TempDir> {
        let folder = temporary()?;
        if let Some(from) = &self.from {
            copy_into(&root().join(from), folder.path())?;
        }
        for path in &self.removed {
            let path = folder.path().join(path);
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.with_context(|| path.display().to_string())?;
        }
        for (path, content) in &self.files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
            fs::write(path, content)?;
        }
        for (path, target) in &self.links {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().context("a link lies in a folder")?)?;
            symlink(target, &path).with_context(|| path.display().to_string())?;
        }
        Ok(folder)
    }

    /// Returns the whole case with what a run printed.
    pub fn with(&self, run: &Run, folder: &Path) -> (String, String) {
        let found =
            format!("=== exit {}\n=== stdout\n{}=== stderr\n{}", run.code, normal(&run.stdout, folder), normal(&run.stderr, folder));
        (format!("{}{found}", self.head), found)
    }
}

/// Replaces what differs from run to run.
fn normal(text: &str, folder: &Path) -> String {
    let time = Regex::new(r"[ ]*\b(\d+m)?\d+(\.\d+)?s\b( {2,})?").expect("a pattern");
    let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let mut text = text.to_owned();
    for (path, name) in [(whole.as_path(), "$TEMP"), (folder, "$TEMP"), (root(), "$ROOT")] {
        text = text.replace(&path.display().to_string(), name);
    }
    let text = time.replace_all(&text, |found: &regex::Captures<'_>| if found.get(3).is_some() { " TIME  " } else { " TIME" });
    if text.is_empty() || text.ends_with('\n') { text.into_owned() } else { format!("{text}\n") }
}
