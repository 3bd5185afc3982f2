//! Runs ours beside the real `kustomize`: on random trees, on the cases of `tests/builds`, and against the clock.
//!
//! ```text
//! differential random KUSTOMIZE [--seconds N] [--seed N] [--keep FOLDER]
//! differential tree SEED FOLDER
//! differential cases KUSTOMIZE FOLDER [--bless]
//! differential bench KUSTOMIZE FOLDER...
//! differential build ROOT FOLDER
//! ```

mod bench;
mod random;
mod run;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use run::{Kustomize, Outcome, ours};

type Tree = BTreeMap<String, String>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let option = |name: &str| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1)).copied();
    let number = |name: &str, otherwise: u64| option(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let done = match words.as_slice() {
        ["random", program, ..] => random_trees(program, number("--seconds", 60), number("--seed", 1), option("--keep")),
        ["tree", seed, folder] => write_tree(&random::tree(seed.parse().unwrap_or(1)), Path::new(folder)),
        ["cases", program, folder, ..] => cases(program, Path::new(folder), words.contains(&"--bless")),
        ["bench", program, folders @ ..] => bench::bench(program, folders),
        ["build", root, folder] => bench::build(Path::new(root), folder),
        _ => Err("usage: differential random|cases|bench KUSTOMIZE ..., tree SEED FOLDER, or build ROOT FOLDER".to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Compares random trees until the time is up.
fn random_trees(program: &str, seconds: u64, first: u64, keep: Option<&str>) -> Result<(), String> {
    let kustomize = Kustomize::new(program)?;
    let (start, mut seed, mut refused, mut wrong) = (Instant::now(), first, 0u64, Vec::new());
    while start.elapsed() < Duration::from_secs(seconds) {
        let tree = random::tree(seed);
        let theirs = kustomize.build(&tree, "")?;
        refused += u64::from(theirs == Outcome::Refused);
        let found = ours(&tree, "");
        if !theirs.fits(&found) {
            eprintln!("seed {seed} differs");
            if let Some(folder) = keep {
                std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
                let text = format!("{}-- ours --\n{found}", write_case(&tree, &theirs));
                std::fs::write(Path::new(folder).join(format!("{seed}.txt")), text).map_err(|error| error.to_string())?;
            }
            wrong.push(seed);
        }
        seed += 1;
    }
    println!("{} random trees compared, {refused} of them refused by kustomize, {} differences", seed - first, wrong.len());
    if wrong.is_empty() { Ok(()) } else { Err(format!("seeds that differ: {wrong:?}")) }
}

/// Writes the files of a tree.
fn write_tree(tree: &Tree, folder: &Path) -> Result<(), String> {
    for (path, text) in tree {
        let path = folder.join(path);
        let written = std::fs::create_dir_all(path.parent().unwrap_or(folder)).and_then(|()| std::fs::write(&path, text));
        written.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}

/// Compares the cases, or writes what kustomize prints into them.
fn cases(program: &str, folder: &Path, bless: bool) -> Result<(), String> {
    let kustomize = Kustomize::new(program)?;
    let mut wrong = Vec::new();
    let files = files_of(folder)?;
    for file in &files {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let tree = read_case(&text);
        let theirs = kustomize.build(&tree, "")?;
        if bless {
            std::fs::write(file, write_case(&tree, &theirs)).map_err(|error| error.to_string())?;
        }
        if !theirs.fits(&ours(&tree, "")) {
            wrong.push(file.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    println!("{} cases compared, {} differences", files.len(), wrong.len());
    if wrong.is_empty() { Ok(()) } else { Err(format!("cases that differ: {}", wrong.join(", "))) }
}

fn read_case(text: &str) -> Tree {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        match line.strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --\n")) {
            Some("(no newline at the end)") => {
                if let Some((_, content)) = found.last_mut() {
                    content.pop();
                }
            }
            Some(path) => found.push((path.to_string(), String::new())),
            None => {
                if let Some((_, content)) = found.last_mut() {
                    content.push_str(line);
                }
            }
        }
    }
    found.into_iter().filter(|(path, _)| !["expected", "refused", "ours"].contains(&path.as_str())).collect()
}

fn write_case(tree: &Tree, theirs: &Outcome) -> String {
    let mut out = String::new();
    let mut section = |path: &str, text: &str| {
        out += &format!("-- {path} --\n{text}");
        if !text.is_empty() && !text.ends_with('\n') {
            out += "\n-- (no newline at the end) --\n";
        }
    };
    // The kustomization at the root says what a case is about.
    let mut paths: Vec<&String> = tree.keys().collect();
    paths.sort_by_key(|path| (path.contains('/'), !path.starts_with("kustomization"), path.as_str()));
    paths.into_iter().for_each(|path| section(path, &tree[path]));
    match theirs {
        Outcome::Built(text) => section("expected", text),
        Outcome::Refused | Outcome::Crashed => section("refused", ""),
    }
    out
}
