//! What is listed and not there, with everything that goes missing with it.

use std::collections::BTreeMap;

use kustomize::{Absent, Files};

use crate::artifact;
use crate::check::finding::{Finding, Rule, Severity};
use crate::check::locate;
use crate::check::references;
use crate::fields::{flag, items, text};
use crate::origin;
use crate::tree::{self, Located, Tree, is_kustomization};

pub(crate) fn find(files: &dyn Files, tree: &Tree) -> Vec<Finding> {
    let consequences = references::of_absences(files, tree);
    let (nothing, places) = (Vec::new(), Places::of(tree));
    let absent = tree.absent().iter().enumerate().filter(|(_, absent)| !absent.is_remote);
    absent.map(|(at, absent)| finding(files, &places, absent, consequences.get(&at).unwrap_or(&nothing))).collect()
}

fn finding(files: &dyn Files, places: &Places<'_>, absent: &Absent, needed: &[String]) -> Finding {
    let listed = Listed::of(files, places, absent);
    let found = |message: &str| {
        let message = format!("{}: {message}", absent.path);
        Finding::error(Rule::AbsentResource, &listed.file, listed.line, listed.column, message)
    };
    if let Some(why) = artifact::linked(files, &absent.path) {
        return found(&why);
    }
    if files.list(&absent.path).is_ok_and(|entries| entries.is_some()) {
        return found(".sourceignore leaves this folder out, so Flux does not see it")
            .hint(format!("let .sourceignore pass, or {}", listed.way_out()));
    }
    if matches!(files.read(&absent.path), Ok(Some(_))) {
        let folder = absent.path.rsplit_once('/').map_or(".", |(folder, _)| folder);
        return found(&format!("{} names a file, and Flux builds folders", listed.field()))
            .hint(format!("name a folder, such as {folder}"));
    }
    let found = found("there is no such file or folder");
    if listed.by.is_some_and(|located| flag(&located.object.value, &["spec", "suspend"])) {
        return Finding { severity: Severity::Warning, ..found }.hint("Flux fails once the Kustomization is resumed");
    }
    if let Some(above) = listed.is_of_artifact().then(|| folder_above(files, &absent.path)).flatten() {
        return found.hint(made_of(&above));
    }
    let hint = format!("add it, or {}", listed.way_out());
    found.hint(if needed.is_empty() { hint } else { format!("{hint}; something of its name is needed by {}", needed.join(", ")) })
}

/// Flux Kustomizations by file and line. One place may make several of them, with paths of their own.
struct Places<'a>(BTreeMap<(&'a str, usize), Vec<&'a Located>>);

impl<'a> Places<'a> {
    fn of(tree: &'a Tree) -> Places<'a> {
        let mut places = BTreeMap::<_, Vec<_>>::new();
        for located in tree.located().filter(|located| is_kustomization(&located.object.value)) {
            places.entry((located.object.file.as_str(), located.object.line)).or_default().push(located);
        }
        Places(places)
    }
}

/// Where something is listed.
struct Listed<'a> {
    /// The Flux Kustomization whose own field names it, where no kustomization file does.
    by: Option<&'a Located>,
    /// Whether that field is `spec.path`.
    is_path: bool,
    file: String,
    line: usize,
    column: usize,
}

impl<'a> Listed<'a> {
    fn of(files: &dyn Files, places: &Places<'a>, absent: &Absent) -> Listed<'a> {
        let there = places.0.get(&(absent.listed_in.as_str(), absent.line)).map_or(&[][..], Vec::as_slice);
        let of_path = there.iter().find(|located| tree::path(&located.object.value).as_ref() == Some(&absent.path));
        let Some(by) = of_path.or(there.first()).copied() else {
            return Listed { by: None, is_path: false, file: absent.listed_in.clone(), line: absent.line, column: absent.column };
        };
        let pointer = match of_path {
            Some(_) => "/spec/path".to_string(),
            None => component(&by.object.value, &absent.path).map_or("/spec".to_string(), |at| format!("/spec/components/{at}")),
        };
        let origin = origin::of(files, &by.object, &pointer);
        let (line, column) = match origin.is_patch {
            true => (origin.line, locate::column_of(files, &origin.file, origin.line)),
            false => locate::position(files, &by.object, &pointer),
        };
        Listed { by: Some(by), is_path: of_path.is_some(), file: origin.file, line, column }
    }

    fn field(&self) -> &'static str {
        match (self.by, self.is_path) {
            (Some(_), false) => "spec.components",
            _ => "spec.path",
        }
    }

    fn way_out(&self) -> &'static str {
        if self.is_path { "correct spec.path" } else { "take it off the list" }
    }

    /// Returns whether the path is one in something that may have been made of a folder: not in a Git repository.
    fn is_of_artifact(&self) -> bool {
        let kind =
            |located: &&Located| text(&located.object.value, &["spec", "sourceRef", "kind"]).is_some_and(|kind| kind != "GitRepository");
        self.is_path && self.by.as_ref().is_some_and(kind)
    }
}

/// Returns which component of a Flux Kustomization has a path.
fn component(kustomization: &serde_json::Value, path: &str) -> Option<usize> {
    let folder = tree::path(kustomization)?;
    let is_it = |entry: &serde_json::Value| entry.as_str().and_then(|entry| kustomize::join_path(&folder, entry)).as_deref() == Some(path);
    items(kustomization, &["spec", "components"]).iter().position(is_it)
}

/// Says what to do about a path that is right only in an artifact of one folder.
pub(crate) fn made_of(folder: &str) -> String {
    format!("it is in {folder}: if Flux synchronises an artifact made of that folder, `launchway check {folder}`")
}

/// Returns the folder at the top that has a path which the repository itself has not: artifacts are often made of one folder.
pub(crate) fn folder_above(files: &dyn Files, path: &str) -> Option<String> {
    let is_there = |path: &str| matches!(files.list(path), Ok(Some(_)));
    let folders = files.list("").ok()??.into_iter().filter(|entry| entry.directory && !entry.name.starts_with('.'));
    folders.map(|entry| entry.name).find(|name| is_there(&format!("{name}/{path}")))
}
