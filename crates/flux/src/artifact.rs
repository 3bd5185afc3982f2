//! What of a repository Flux sees: source-controller leaves files out of the artifact that it makes of a source, those that
//! `.sourceignore` names, else what is no manifest (`fluxcd/pkg/sourceignore` 0.18, `fluxcd/pkg/artifact` 0.18 `storage/archive.go`).

use std::collections::BTreeSet;

use kustomize::{Entry, Files, KUSTOMIZATION_FILES};

use crate::substitute::pattern_fits;

/// How many folders are searched for `.sourceignore` files.
const MAX_FOLDERS: usize = 50_000;
const FILE: &str = ".sourceignore";
/// What is always left out.
const VERSION_CONTROL: &str = ".git/,.gitignore,.gitmodules,.gitattributes";
/// What is left out where no `.sourceignore` names anything.
const OTHERWISE: &str = "*.jpg,*.jpeg,*.gif,*.png,*.wmv,*.flv,*.tar.gz,*.zip,.github/,.circleci/,.travis.yml,.gitlab-ci.yml,appveyor.yml,.drone.yml,cloudbuild.yaml,codeship-services.yml,codeship-steps.yml,**/.goreleaser.yml,**/.sops.yaml,**/.flux.yaml";

/// The files of a repository that are in its artifact.
pub(crate) struct Artifact<'a> {
    files: &'a dyn Files,
    patterns: Vec<Pattern>,
    /// Symbolic links, which `storage/archive.go` leaves out.
    links: BTreeSet<String>,
}

impl<'a> Artifact<'a> {
    /// Reads the `.sourceignore` files of a repository; `ignored` is `spec.ignore` of its source.
    pub(crate) fn of(files: &'a dyn Files, ignored: &str) -> Result<Artifact<'a>, String> {
        let (mut own, links) = named(files)?;
        own.extend(patterns(ignored, ""));
        let otherwise = if own.is_empty() { OTHERWISE } else { "" };
        let always = [VERSION_CONTROL, otherwise].into_iter().flat_map(|list| list.split(',')).filter(|text| !text.is_empty());
        let patterns = always.map(|text| Pattern::new(text, "")).chain(own).collect();
        Ok(Artifact { files, patterns, links })
    }

    /// Returns the symbolic link that a path is or leads through.
    fn link_on(&self, path: &str) -> Option<&str> {
        with_folders(path).filter(|_| !self.links.is_empty()).find_map(|path| self.links.get(path)).map(String::as_str)
    }

    /// The last pattern that fits decides.
    fn is_left_out(&self, path: &str, is_folder: bool) -> bool {
        let path: Vec<&str> = path.split('/').collect();
        self.patterns.iter().rev().find(|pattern| pattern.fits(&path, is_folder)).is_some_and(|pattern| !pattern.includes)
    }

    /// Returns whether nothing of a folder is there: a pattern may bring back what is below one that is left out.
    fn is_hidden(&self, folder: &str) -> Result<bool, String> {
        if !self.is_left_out(folder, true) {
            return Ok(false);
        }
        let may_return = folder != ".git" && !folder.ends_with("/.git") && self.patterns.iter().any(|pattern| pattern.includes);
        Ok(!may_return || self.visible(folder)?.is_none_or(|entries| entries.is_empty()))
    }

    fn visible(&self, folder: &str) -> Result<Option<Vec<Entry>>, String> {
        let Some(entries) = self.files.list(folder)? else { return Ok(None) };
        let mut found = Vec::new();
        for entry in entries.into_iter().filter(|entry| !entry.link) {
            let path = inside(folder, &entry.name);
            let is_hidden = if entry.directory { self.is_hidden(&path)? } else { self.is_left_out(&path, false) };
            if !is_hidden {
                found.push(entry);
            }
        }
        Ok(Some(found))
    }
}

impl Files for Artifact<'_> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        let is_kustomization = KUSTOMIZATION_FILES.iter().any(|name| path == *name || path.ends_with(&format!("/{name}")));
        if let Some(link) = self.link_on(path) {
            return if is_kustomization { Ok(None) } else { Err(of_link(path, link)) };
        }
        if !self.is_left_out(path, false) {
            return self.files.read(path);
        }
        match self.files.read(path)? {
            Some(_) if !is_kustomization => Err(format!(
                "Flux does not see this file: source-controller leaves it out, by {FILE} or, without one, by its default patterns"
            )),
            _ => Ok(None),
        }
    }

    fn list(&self, folder: &str) -> Result<Option<Vec<Entry>>, String> {
        if !folder.is_empty() && (self.link_on(folder).is_some() || self.is_hidden(folder)?) { Ok(None) } else { self.visible(folder) }
    }
}

/// Returns the folders that a path leads through, the outermost first, and the path itself.
fn with_folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| at).chain([path.len()]).map(|end| &path[..end])
}

/// Says why Flux does not see what is, or is below, a symbolic link.
fn of_link(path: &str, link: &str) -> String {
    let which = if path == link { "is a symbolic link".to_string() } else { format!("is below the symbolic link {link}") };
    format!("{which}, which Flux leaves out of its artifacts; put the files there, or list the path that it leads to")
}

/// Returns why Flux does not see a path of a repository, if that is because of a symbolic link.
pub(crate) fn linked(files: &dyn Files, path: &str) -> Option<String> {
    let link = with_folders(path).find(|path| {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        files.list(folder).ok().flatten().is_some_and(|entries| entries.iter().any(|entry| entry.name == name && entry.link))
    })?;
    Some(of_link(path, link))
}

fn inside(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") }
}

/// Returns the patterns of every `.sourceignore` file, those further down later, and the symbolic links.
fn named(files: &dyn Files) -> Result<(Vec<Pattern>, BTreeSet<String>), String> {
    let (mut found, mut links, mut open, mut count) = (Vec::new(), BTreeSet::new(), vec![String::new()], 0);
    while let Some(folder) = open.pop().filter(|_| count < MAX_FOLDERS) {
        count += 1;
        // What cannot be listed holds no patterns.
        let entries = files.list(&folder).ok().flatten().unwrap_or_default();
        if entries.iter().any(|entry| entry.name == FILE && !entry.directory && !entry.link) {
            let text = files.read(&inside(&folder, FILE))?.unwrap_or_default();
            found.extend(patterns(&String::from_utf8_lossy(&text), &folder));
        }
        links.extend(entries.iter().filter(|entry| entry.link).map(|entry| inside(&folder, &entry.name)));
        let folders = entries.iter().rev().filter(|entry| entry.directory && !entry.link && entry.name != ".git");
        open.extend(folders.map(|entry| inside(&folder, &entry.name)));
    }
    Ok((found, links))
}

fn patterns(text: &str, folder: &str) -> Vec<Pattern> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| Pattern::new(line, folder)).collect()
}

/// A line of a `.sourceignore` file, as `go-git` reads it (`plumbing/format/gitignore/pattern.go`), which is not quite as git does.
struct Pattern {
    /// The folder of the file, in parts.
    domain: Vec<String>,
    parts: Vec<String>,
    includes: bool,
    of_folders: bool,
}

impl Pattern {
    fn new(text: &str, folder: &str) -> Pattern {
        let (includes, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let text = if text.ends_with("\\ ") { text } else { text.trim_end_matches(' ') };
        let (of_folders, text) = text.strip_suffix('/').map_or((false, text), |rest| (true, rest));
        let split = |text: &str| text.split('/').map(str::to_string).collect();
        Pattern { domain: if folder.is_empty() { Vec::new() } else { split(folder) }, parts: split(text), includes, of_folders }
    }

    fn fits(&self, path: &[&str], is_folder: bool) -> bool {
        let Some((domain, path)) = path.split_at_checked(self.domain.len()) else { return false };
        if path.is_empty() || domain.iter().ne(self.domain.iter()) {
            return false;
        }
        if self.parts.len() > 1 { self.fits_path(path, is_folder) } else { self.fits_a_name(path, is_folder) }
    }

    fn fits_a_name(&self, path: &[&str], is_folder: bool) -> bool {
        let at = path.iter().position(|name| part_fits(&self.parts[0], name) == Some(true));
        at.is_some_and(|at| !self.of_folders || is_folder || at + 1 < path.len())
    }

    fn fits_path(&self, mut path: &[&str], is_folder: bool) -> bool {
        let (mut fits, mut skips) = (false, false);
        for (at, part) in self.parts.iter().enumerate() {
            match part.as_str() {
                "" => skips = false,
                "**" if at + 1 == self.parts.len() => break,
                "**" => skips = true,
                part if part.contains("**") => return false,
                part if std::mem::take(&mut skips) => {
                    if path.is_empty() {
                        return false;
                    }
                    let found = path.iter().position(|name| part_fits(part, name) != Some(false));
                    fits = found.is_some();
                    if found.is_some_and(|at| part_fits(part, path[at]).is_none()) {
                        return false;
                    }
                    path = found.map_or(&[], |at| &path[at + 1..]);
                }
                part => {
                    let Some((first, rest)) = path.split_first() else { return false };
                    if part_fits(part, first) != Some(true) {
                        return false;
                    }
                    fits = true;
                    path = rest;
                }
            }
        }
        fits && !(self.of_folders && !is_folder && path.is_empty())
    }
}

/// Returns whether a part of a pattern fits a name; nothing if it is broken.
fn part_fits(part: &str, name: &str) -> Option<bool> {
    // Most are plain, and each is held against every part of every path.
    if !part.contains(['*', '?', '[', '\\']) {
        return Some(part == name);
    }
    pattern_fits(part.as_bytes(), name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kustomize::MemoryFiles;

    fn artifact_holds(ignore: &[(&str, &str)], path: &str) -> bool {
        let mut files: std::collections::BTreeMap<String, Vec<u8>> =
            ignore.iter().map(|(folder, text)| (inside(folder, FILE), text.as_bytes().to_vec())).collect();
        files.insert(path.to_string(), b"kind: X".to_vec());
        let files = MemoryFiles(files);
        let artifact = Artifact::of(&files, "").expect("memory");
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let listed = artifact.list(folder).expect("memory").is_some_and(|entries| entries.iter().any(|entry| entry.name == name));
        assert_eq!(listed, matches!(artifact.read(path), Ok(Some(_))), "{path}");
        listed
    }

    #[test]
    fn defaults_hold_until_a_file_names_something() {
        for path in ["logo.png", "a/.github/x.yaml", ".sops.yaml", "a/b/.sops.yaml", ".git/config", "x/.travis.yml"] {
            assert!(!artifact_holds(&[], path), "{path}");
            assert!(!artifact_holds(&[("", "# only a note\n\n")], path), "{path}");
            assert_eq!(artifact_holds(&[("", "other\n")], path), path != ".git/config", "{path}");
        }
        assert!(artifact_holds(&[], "a/b.yaml"));
    }

    #[test]
    fn patterns_are_those_of_go_git() {
        let cases = [
            ("/*\n!/kubernetes\n", "kubernetes/a/b.yaml", true),
            ("/*\n!/kubernetes\n", "README.md", false),
            ("/*\n!/kubernetes\n", "docs/kubernetes/x.yaml", false),
            (".forgejo", ".forgejo/workflows/x.yml", false),
            ("a/b", "x/a/b", true),
            ("**/b", "x/a/b", false),
            ("a/**", "a/x/y", false),
            ("a/**/c", "a/x/y/c", false),
            ("d/", "d", true),
            ("d/", "x/d/e", false),
            ("*.md", "a/b.md", false),
            ("[a-c]x", "bx", false),
            ("[", "[", true),
            ("a  ", "a", false),
            ("a**/b", "ax/b", true),
        ];
        for (text, path, expected) in cases {
            assert_eq!(artifact_holds(&[("", text)], path), expected, "{text:?} {path}");
        }
        assert!(artifact_holds(&[("sub", "/x.yaml\n")], "x.yaml"));
        assert!(!artifact_holds(&[("sub", "/x.yaml\n")], "sub/x.yaml"));
    }

    #[test]
    fn a_file_that_flux_does_not_see_is_an_error_that_says_so() {
        let files = MemoryFiles([("logo.png".to_string(), Vec::new())].into());
        let artifact = Artifact::of(&files, "").expect("memory");
        assert!(artifact.read("logo.png").expect_err("left out").contains("source-controller leaves it out"));
        assert_eq!(artifact.read("none.png"), Ok(None));
    }
}
