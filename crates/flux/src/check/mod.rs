//! Finds what is wrong with a tree before a cluster sees it: what is listed and not there, what refers to nothing, what waits for itself,
//! what is written twice, what no kustomization lists.
//!
//! It only reads the tree. What needs charts, an API server's schemas or `launchway.yaml` is added by the program.

mod adopt;
mod cycles;
mod duplicates;
mod finding;
mod locate;
mod references;
mod seen;
mod unreachable;

use kustomize::Files;

use crate::artifact;
use crate::error::Error;
use crate::fields::{flag, kind};
use crate::root;
use crate::tree::{self, Tree, is_kustomization};

pub use finding::{Finding, RULES, Rule, Severity};
pub use locate::position;

/// A tree with what is wrong with it.
#[derive(Debug)]
pub struct Checked {
    /// The tree, as far as it could be read.
    pub tree: Tree,
    /// What is wrong, sorted by file and line.
    pub findings: Vec<Finding>,
    /// What was not looked at and why, for people.
    pub not_checked: Vec<String>,
}

/// Reads the tree below `root`, or below the folder that the FluxInstance synchronises, and checks it.
///
/// It is an error only where no root is found or the root itself cannot be built.
pub fn check(files: &dyn Files, root: Option<&str>) -> Result<Checked, Error> {
    // The search for a root reads every file; what the tree reads counts.
    let root = root.map_or_else(|| root::find(files), |root| Ok(root.to_string()))?;
    let seen = seen::Seen::new(files);
    let tree = tree::read(&seen, Some(&root))?;
    let mut findings = Vec::new();
    findings.extend(failures(files, &tree));
    findings.extend(references::dangling(files, &tree));
    findings.extend(absences(files, &tree));
    findings.extend(duplicates::find(&tree));
    findings.extend(cycles::find(files, &tree));
    findings.extend(adopt::find(files, &tree));
    findings.extend(unreachable::find(files, &tree, &seen.read_files()));
    findings.sort();
    findings.dedup();
    let not_checked = not_checked(&tree);
    Ok(Checked { tree, findings, not_checked })
}

/// Returns what is wrong with a root that could not be built; nothing if it is not known which folder is the root.
pub fn of_root(files: &dyn Files, error: &Error) -> Option<Finding> {
    match error {
        Error::NoRoot | Error::AmbiguousRoot(_) => None,
        Error::NoFolder(folder) => {
            let found = Finding::error(Rule::AbsentResource, "", 1, 1, error.to_string());
            Some(found.hint(match folder_above(files, folder) {
                Some(above) => made_of(&above),
                None => "Flux is told to synchronise it: correct its path, or name another one with `--flux-path FOLDER`".to_string(),
            }))
        }
        error => Some(failure(files, error)),
    }
}

/// Says what to do about a path that is right only in an artifact of one folder.
fn made_of(folder: &str) -> String {
    format!("it is in {folder}: if Flux synchronises an artifact made of that folder, `launchway check {folder}`")
}

fn failures(files: &dyn Files, tree: &Tree) -> Vec<Finding> {
    tree.failures().iter().map(|error| failure(files, error)).collect()
}

fn failure(files: &dyn Files, error: &Error) -> Finding {
    let rule = match error {
        Error::Variable { .. } => Rule::UnsetVariable,
        Error::Build(kustomize::Error::Cycle { .. }) => Rule::Cycle,
        _ => Rule::BuildFailure,
    };
    let (file, line, column, message) = error.parts();
    // The text that was substituted is not the file any more: the variable is looked for in it.
    let variable = message.split_once("the variable ").and_then(|(_, rest)| rest.split(' ').next());
    let (line, column) = variable.and_then(|name| locate::variable(files, &file, line, name)).unwrap_or((line, column));
    Finding::error(rule, &file, line, column, message)
}

/// What is listed and not there, with everything that goes missing with it.
fn absences(files: &dyn Files, tree: &Tree) -> Vec<Finding> {
    let consequences = references::of_absences(tree);
    let finding = |(at, absent): (usize, &kustomize::Absent)| {
        let column = locate::column_of(files, &absent.listed_in, absent.line);
        if let Some(why) = artifact::linked(files, &absent.path) {
            let message = format!("{}: {why}", absent.path);
            return Finding::error(Rule::AbsentResource, &absent.listed_in, absent.line, column, message);
        }
        if files.list(&absent.path).is_ok_and(|entries| entries.is_some()) {
            let message = format!("{}: .sourceignore leaves this folder out, so Flux does not see it", absent.path);
            return Finding::error(Rule::AbsentResource, &absent.listed_in, absent.line, column, message)
                .hint("let .sourceignore pass, or take it off the list");
        }
        if matches!(files.read(&absent.path), Ok(Some(_))) {
            let message = format!("{}: spec.path names a file, and Flux builds folders", absent.path);
            let folder = absent.path.rsplit_once('/').map_or(".", |(folder, _)| folder);
            return Finding::error(Rule::AbsentResource, &absent.listed_in, absent.line, column, message)
                .hint(format!("name a folder, such as {folder}"));
        }
        let message = format!("{}: there is no such file or folder", absent.path);
        let found = Finding::error(Rule::AbsentResource, &absent.listed_in, absent.line, column, message);
        if is_of_suspended(tree, absent) {
            return Finding { severity: Severity::Warning, ..found }.hint("Flux fails once the Kustomization is resumed");
        }
        if let Some(above) = folder_above(files, &absent.path) {
            return found.hint(made_of(&above));
        }
        match consequences.get(&at) {
            Some(needed) => found.hint(format!("add it, or take it off the list; it is needed by {}", needed.join(", "))),
            None => found.hint("add it, or take it off the list".to_string()),
        }
    };
    tree.absent().iter().enumerate().filter(|(_, absent)| !absent.is_remote).map(finding).collect()
}

/// Returns whether it is the folder of a Kustomization that is suspended.
fn is_of_suspended(tree: &Tree, absent: &kustomize::Absent) -> bool {
    tree.located().any(|located| {
        let object = &located.object;
        let is_it = is_kustomization(&object.value) && (&object.file, object.line) == (&absent.listed_in, absent.line);
        is_it && flag(&object.value, &["spec", "suspend"])
    })
}

/// Returns the folder at the top that has a path which the repository itself has not: artifacts are often made of one folder.
fn folder_above(files: &dyn Files, path: &str) -> Option<String> {
    let is_there = |path: &str| matches!(files.list(path), Ok(Some(_)));
    let folders = files.list("").ok()??.into_iter().filter(|entry| entry.directory && !entry.name.starts_with('.'));
    folders.map(|entry| entry.name).find(|name| is_there(&format!("{name}/{path}")))
}

fn not_checked(tree: &Tree) -> Vec<String> {
    let mut notes: Vec<String> = tree.elsewhere().iter().map(|place| format!("{place}: not followed")).collect();
    for remote in tree.absent().iter().filter(|absent| absent.is_remote) {
        notes.push(format!("{} ({}:{}): not fetched", remote.path, remote.listed_in, remote.line));
    }
    notes.extend(references::open(tree));
    for located in tree.located().filter(|located| is_resource_set(&located.object.value)) {
        notes.push(format!("{}: not evaluated", located.title()));
    }
    notes
}

/// Returns whether an object makes others by templates that only flux-operator evaluates.
fn is_resource_set(value: &serde_json::Value) -> bool {
    crate::fields::group(value) == "fluxcd.controlplane.io" && matches!(kind(value), "ResourceSet" | "ResourceSetInputProvider")
}

#[cfg(test)]
mod tests;
