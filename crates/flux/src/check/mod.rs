//! Finds what is wrong with a tree before a cluster sees it: what is listed and not there, what refers to nothing, what waits for itself,
//! what is written twice, what no kustomization lists.
//!
//! It only reads the tree. What needs charts, an API server's schemas or `launchway.yaml` is added by the program.

mod absences;
mod adopt;
mod cycles;
mod duplicates;
mod finding;
mod locate;
mod references;
mod seen;
mod unreachable;

use kustomize::Files;

use crate::error::Error;
use crate::fields::{group, kind};
use crate::producers;
use crate::root;
use crate::tree::{self, Tree};

pub use finding::{Finding, RULES, Rule, Severity, merged};
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
    findings.extend(absences::find(files, &tree));
    findings.extend(duplicates::find(&tree));
    findings.extend(cycles::find(files, &tree));
    findings.extend(adopt::find(files, &tree));
    findings.extend(unreachable::find(files, &tree, &seen.read_files()));
    let findings = merged(findings);
    let not_checked = not_checked(&tree);
    Ok(Checked { tree, findings, not_checked })
}

/// Returns what is wrong with a root that could not be built; nothing if it is not known which folder is the root.
pub fn of_root(files: &dyn Files, error: &Error) -> Option<Finding> {
    match error {
        Error::NoRoot | Error::AmbiguousRoot(_) => None,
        Error::NoFolder(folder) => {
            let named = root::naming(files, folder);
            let (file, line) = named.as_ref().map_or(("", 1), |named| (named.file.as_str(), named.line));
            let found = Finding::error(Rule::AbsentResource, file, line, 1, error.to_string());
            let above = named.as_ref().is_some_and(|named| named.is_of_artifact).then(|| absences::folder_above(files, folder)).flatten();
            Some(found.hint(match above {
                Some(above) => absences::made_of(&above),
                None => "Flux is told to synchronise it: correct its path, or name another one with `--flux-path FOLDER`".to_string(),
            }))
        }
        error => Some(failure(files, error)),
    }
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

fn not_checked(tree: &Tree) -> Vec<String> {
    let mut notes: Vec<String> = tree.elsewhere().iter().map(|place| format!("{place}: not followed")).collect();
    for remote in tree.absent().iter().filter(|absent| absent.is_remote) {
        notes.push(format!("{} ({}:{}): not fetched", remote.path, remote.listed_in, remote.line));
    }
    notes.extend(references::open(tree));
    for located in tree.located().filter(|located| is_resource_set(&located.object.value) || producers::is_generator(&located.object.value))
    {
        notes.push(format!("{}: not evaluated", located.title()));
    }
    notes
}

/// Returns whether an object makes others by templates that only flux-operator evaluates.
pub(crate) fn is_resource_set(value: &serde_json::Value) -> bool {
    group(value) == "fluxcd.controlplane.io" && matches!(kind(value), "ResourceSet" | "ResourceSetInputProvider")
}

#[cfg(test)]
mod tests;
