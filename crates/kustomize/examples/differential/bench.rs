//! Against the clock, and how the cost grows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kustomize::{Entry, Files, MemoryFiles};

use crate::run::{Kustomize, Outcome};

/// Up to how many files kustomize is asked too.
const COMPARED: usize = 500;

/// Builds every kustomization below each folder with both, and prints the times; then one kustomization of more and more files.
pub fn bench(program: &str, folders: &[&str]) -> Result<(), String> {
    let kustomize = Kustomize::new(program)?;
    println!(
        "{:<44} {:>14} {:>18} {:>22}",
        "every kustomization of",
        "ours, at once",
        "ours, processes",
        format!("kustomize {}", kustomize.version)
    );
    for folder in folders {
        all(&kustomize, Path::new(folder))?;
    }
    println!("\n{:<44} {:>14} {:>18} {:>22}", "one kustomization of files", "ours, at once", "per 1,000", "kustomize");
    for count in [500, 1_000, 2_000, 5_000, 10_000] {
        grown(&kustomize, count)?;
    }
    Ok(())
}

/// The files of a repository, read when they are asked for.
struct Disk<'a>(&'a Path);

impl Files for Disk<'_> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        let path = self.0.join(path);
        if path.is_file() { fs::read(path).map(Some).map_err(|error| error.to_string()) } else { Ok(None) }
    }

    fn list(&self, folder: &str) -> Result<Option<Vec<Entry>>, String> {
        let Ok(found) = fs::read_dir(self.0.join(folder)) else { return Ok(None) };
        let entry = |entry: fs::DirEntry| Entry {
            name: entry.file_name().to_string_lossy().into_owned(),
            directory: entry.path().is_dir(),
            link: entry.path().is_symlink(),
        };
        let mut entries: Vec<Entry> = found.filter_map(Result::ok).map(entry).collect();
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Some(entries))
    }
}

/// Builds a folder of a repository and prints it, as a process of its own.
pub fn build(root: &Path, folder: &str) -> Result<(), String> {
    let built = kustomize::build(&Disk(root), folder).map_err(|error| error.to_string())?;
    print!("{}", built.to_yaml());
    Ok(())
}

fn all(kustomize: &Kustomize, root: &Path) -> Result<(), String> {
    let start = Instant::now();
    let files = read(root)?;
    let folders: Vec<String> = files
        .0
        .keys()
        .filter_map(|path| path.rsplit_once('/').filter(|(_, name)| kustomize::KUSTOMIZATION_FILES.contains(name)))
        .map(|(folder, _)| folder.to_string())
        .collect();
    let built =
        |folder: &&String| kustomize::build(&files, folder).is_ok_and(|build| build.absent.is_empty() && !build.to_yaml().is_empty());
    let whole: Vec<&String> = folders.iter().filter(built).collect();
    let ours = start.elapsed();
    let start = Instant::now();
    let theirs =
        folders.iter().filter(|folder| kustomize.build_folder(&root.join(folder)).is_ok_and(|found| found != Outcome::Refused)).count();
    let real = start.elapsed();
    let title = format!("{} ({}, {} whole)", root.file_name().unwrap_or_default().display(), folders.len(), whole.len());
    if theirs != whole.len() {
        return Err(format!("{title}: kustomize builds {theirs}"));
    }
    // Where something is absent ours builds the rest and kustomize stops: only the others cost the same as processes.
    let start = Instant::now();
    whole.iter().try_for_each(|folder| process(root, folder))?;
    let processes = start.elapsed();
    let start = Instant::now();
    whole.iter().try_for_each(|folder| kustomize.build_folder(&root.join(folder)).map(drop))?;
    let real_whole = start.elapsed();
    let against = |ours: Duration, theirs: Duration| format!("{} ({:.0}x)", milliseconds(ours), theirs.as_secs_f64() / ours.as_secs_f64());
    println!("{title:<44} {:>14} {:>18} {:>22}", against(ours, real), against(processes, real_whole), milliseconds(real));
    Ok(())
}

fn process(root: &Path, folder: &str) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let status =
        Command::new(program).arg("build").arg(root).arg(folder).stdout(Stdio::null()).status().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("{folder}: {status}")) }
}

fn grown(kustomize: &Kustomize, count: usize) -> Result<(), String> {
    let mut tree = BTreeMap::new();
    let names: Vec<String> = (0..count).map(|number| format!("{number}.yaml")).collect();
    let listed: String = names.iter().map(|name| format!("  - {name}\n")).collect();
    let head = "namespace: apps\nnamePrefix: p-\nlabels:\n  - pairs: {app: web}\n    includeSelectors: true\nimages:\n  - {name: web, newTag: v2}\n";
    tree.insert("kustomization.yaml".to_string(), format!("{head}resources:\n{listed}"));
    for (number, name) in names.into_iter().enumerate() {
        let object = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web-{number}\nspec:\n  selector:\n    matchLabels:\n      n: n{number}\n  template:\n    metadata:\n      labels:\n        n: n{number}\n    spec:\n      containers:\n        - name: web\n          image: web:v1\n          envFrom:\n            - configMapRef:\n                name: settings\n"
        );
        tree.insert(name, object);
    }
    let start = Instant::now();
    let text = crate::run::ours(&tree, "");
    let ours = start.elapsed();
    // kustomize takes the square of the number: minutes for a few thousand.
    let real = if count > COMPARED { "-".to_string() } else { milliseconds(compared(kustomize, &tree, &text)?) };
    let per = milliseconds(ours * 1_000 / u32::try_from(count).map_err(|error| error.to_string())?);
    println!("{count:<44} {:>14} {per:>18} {real:>22}", milliseconds(ours));
    Ok(())
}

/// Returns what kustomize takes for a tree that it must build to the same text.
fn compared(kustomize: &Kustomize, tree: &BTreeMap<String, String>, text: &str) -> Result<Duration, String> {
    let start = Instant::now();
    let theirs = kustomize.build(tree, "")?;
    let real = start.elapsed();
    if theirs.fits(text) { Ok(real) } else { Err(format!("kustomize builds another text of {} files", tree.len() - 1)) }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn read(root: &Path) -> Result<MemoryFiles, String> {
    let mut files = BTreeMap::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?.filter_map(Result::ok) {
            let path: PathBuf = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if let (Ok(name), Ok(bytes)) = (path.strip_prefix(root), fs::read(&path)) {
                files.insert(name.to_string_lossy().into_owned(), bytes);
            }
        }
    }
    Ok(MemoryFiles(files))
}
