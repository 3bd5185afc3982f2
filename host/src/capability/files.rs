//! Files of the repository, read-only, as far as the step's grant reaches.

use std::sync::Arc;

use globset::GlobBuilder;
use kustomize::Files;
use wasmtime::component::Resource as Handle;

use super::{Answer, Call, failure, invalid};
use crate::bindings::launchway::bootstrap::files;
use crate::grant::{Denied, Gate, join};
use crate::module::StepState;
use crate::repository::{MAX_FILE, Repository};

/// A folder of the repository. Handing it on hands on no more than what is in it.
pub struct Dir {
    path: String,
}

/// The longest pattern of a glob.
const MAX_PATTERN: usize = 1024;

/// How many files one glob may look at.
const MAX_WALK: usize = 100_000;

impl files::Host for StepState {
    async fn root(&mut self, name: String) -> wasmtime::Result<Answer<Handle<Dir>>> {
        self.enter("files.root")?;
        if name != "repository" {
            return Ok(Err(failure("not-found", format!("there is no root {name}: the only one is `repository`"))));
        }
        Ok(Ok(self.push(Dir { path: String::new() })?))
    }
}

impl StepState {
    /// Resolves a path below a folder and asks the gate.
    fn file(&mut self, call: &'static str, dir: &Handle<Dir>, path: &str) -> wasmtime::Result<Answer<(Call, String)>> {
        let powers = self.enter(call)?;
        let dir = self.table.get(dir)?;
        let Some(path) = inside(&dir.path, path) else { return Ok(Err(invalid(format!("{path}: leads out of its folder")))) };
        let checked = may_read(&powers.gate, &powers.repository, &path).map_err(|denied| powers.refuse(call, denied));
        Ok(checked.map(|()| (powers, path)))
    }
}

/// Asks the gate for a file, and for the file behind it where a link leads to another one.
fn may_read(gate: &Gate, repository: &Repository, path: &str) -> Result<(), Denied> {
    gate.file(path)?;
    behind(repository, path, |real| gate.file(real))
}

/// Asks the gate for a folder in the same way.
fn may_look(gate: &Gate, repository: &Repository, path: &str) -> Result<(), Denied> {
    gate.folder(path)?;
    behind(repository, path, |real| gate.folder(real))
}

fn behind(repository: &Repository, path: &str, ask: impl Fn(&str) -> Result<(), Denied>) -> Result<(), Denied> {
    match repository.real_path(path) {
        Ok(Some(real)) if real != path => ask(&real).map_err(|denied| Denied::behind(&format!("{path} is a link"), &denied)),
        Err(error) if error.raw_os_error().is_none() => Err(Denied::new(path, "a link leads out of the repository")),
        // What cannot be found or read is reported when it is read.
        _ => Ok(()),
    }
}

/// Joins a path that must stay below its folder: a handle is attenuated authority.
fn inside(folder: &str, path: &str) -> Option<String> {
    let below = join("", path)?;
    Some(if folder.is_empty() { below } else { format!("{folder}/{below}").trim_end_matches('/').to_owned() })
}

impl files::HostDir for StepState {
    async fn subdir(&mut self, this: Handle<Dir>, path: String) -> wasmtime::Result<Answer<Handle<Dir>>> {
        let powers = self.enter("files.subdir")?;
        let dir = self.table.get(&this)?;
        let Some(path) = inside(&dir.path, &path) else { return Ok(Err(invalid(format!("{path}: leads out of its folder")))) };
        if let Err(denied) = may_look(&powers.gate, &powers.repository, &path) {
            return Ok(Err(powers.refuse("files.subdir", denied)));
        }
        Ok(Ok(self.push(Dir { path })?))
    }

    async fn read_text(&mut self, this: Handle<Dir>, path: String) -> wasmtime::Result<Answer<String>> {
        let found = self.file("files.read-text", &this, &path)?;
        Ok(found.and_then(|(powers, path)| {
            let bytes = read(&powers.repository, &path)?;
            String::from_utf8(bytes).map_err(|_| invalid(format!("{path}: is not UTF-8 text")))
        }))
    }

    async fn read_bytes(&mut self, this: Handle<Dir>, path: String) -> wasmtime::Result<Answer<Vec<u8>>> {
        let found = self.file("files.read-bytes", &this, &path)?;
        Ok(found.and_then(|(powers, path)| read(&powers.repository, &path)))
    }

    async fn list(&mut self, this: Handle<Dir>, path: String) -> wasmtime::Result<Answer<Vec<files::Entry>>> {
        let powers = self.enter("files.list")?;
        let dir = self.table.get(&this)?;
        let Some(path) = inside(&dir.path, &path) else { return Ok(Err(invalid(format!("{path}: leads out of its folder")))) };
        if let Err(denied) = may_look(&powers.gate, &powers.repository, &path) {
            return Ok(Err(powers.refuse("files.list", denied)));
        }
        Ok(list(&powers, &path))
    }

    async fn glob(&mut self, this: Handle<Dir>, pattern: String) -> wasmtime::Result<Answer<Vec<String>>> {
        let powers = self.enter("files.glob")?;
        let dir = self.table.get(&this)?;
        Ok(glob(&powers, &dir.path, &pattern))
    }

    async fn kustomize(&mut self, this: Handle<Dir>, path: String) -> wasmtime::Result<Answer<String>> {
        let found = self.file("files.kustomize", &this, &path)?;
        Ok(found.and_then(|(powers, path)| kustomize(&powers, &path)))
    }

    async fn drop(&mut self, this: Handle<Dir>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

fn read(repository: &Repository, path: &str) -> Answer<Vec<u8>> {
    if repository.size(path) > MAX_FILE {
        return Err(failure("limit", format!("{path}: is larger than {} MiB, and no module reads such a file", MAX_FILE >> 20)));
    }
    match repository.bytes(path) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(failure("not-found", format!("{path}: no such file in {}", repository.path().display()))),
        Err(error) => Err(failure("unavailable", format!("{path}: {error}"))),
    }
}

/// Lists what the step may see of a folder.
fn list(powers: &Call, path: &str) -> Answer<Vec<files::Entry>> {
    let entries = powers.repository.list(path).map_err(|error| failure("unavailable", format!("{path}: {error}")))?;
    let entries =
        entries.ok_or_else(|| failure("not-found", format!("{path}: no such folder in {}", powers.repository.path().display())))?;
    let full = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
    let visible = |entry: &kustomize::Entry| match entry.directory {
        true => may_look(&powers.gate, &powers.repository, &full(&entry.name)).is_ok(),
        false => may_read(&powers.gate, &powers.repository, &full(&entry.name)).is_ok(),
    };
    let shown = |entry: kustomize::Entry| files::Entry {
        size: if entry.directory { 0 } else { powers.repository.size(&full(&entry.name)) },
        directory: entry.directory,
        name: entry.name,
    };
    Ok(entries.into_iter().filter(visible).map(shown).collect())
}

fn glob(powers: &Call, folder: &str, pattern: &str) -> Answer<Vec<String>> {
    if pattern.len() > MAX_PATTERN {
        return Err(invalid(format!("a pattern may have {MAX_PATTERN} bytes, this one has {}", pattern.len())));
    }
    let matcher =
        GlobBuilder::new(pattern).literal_separator(true).build().map_err(|error| invalid(format!("{pattern}: {}", error.kind())))?;
    let matcher = matcher.compile_matcher();
    may_look(&powers.gate, &powers.repository, folder).map_err(|denied| powers.refuse("files.glob", denied))?;
    let mut matches = Vec::new();
    let mut looked_at = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        let entries = powers.repository.list(&current).map_err(|error| failure("unavailable", format!("{current}: {error}")))?;
        // A folder can vanish while it is walked; the first one has to be there.
        let entries = entries.or_else(|| (current != folder).then(Vec::new));
        let entries =
            entries.ok_or_else(|| failure("not-found", format!("{folder}: no such folder in {}", powers.repository.path().display())))?;
        for entry in entries {
            looked_at += 1;
            if looked_at > MAX_WALK {
                return Err(failure("limit", format!("{pattern}: more than {MAX_WALK} files to look at: glob below a smaller folder")));
            }
            let path = if current.is_empty() { entry.name } else { format!("{current}/{}", entry.name) };
            if entry.directory {
                // Links to folders are not followed: they may lead in circles.
                let real = powers.repository.real_path(&path).is_ok_and(|real| real.as_deref() == Some(&*path));
                if real && powers.gate.folder(&path).is_ok() {
                    folders.push(path);
                }
            } else {
                let below = path.strip_prefix(folder).unwrap_or(&path).trim_start_matches('/').to_owned();
                if matcher.is_match(&below) && may_read(&powers.gate, &powers.repository, &path).is_ok() {
                    matches.push(below);
                }
            }
        }
    }
    matches.sort();
    Ok(matches)
}

fn kustomize(powers: &Call, path: &str) -> Answer<String> {
    let files = Granted { repository: powers.repository.clone(), gate: powers.gate.clone() };
    let build = kustomize::build(&files, path).map_err(|error| invalid(crate::failure::chain(&error)))?;
    if let Some(absent) = build.absent.first() {
        let why = if absent.is_remote { "elsewhere on a network: put it into the repository" } else { "not there" };
        return Err(failure("not-found", format!("{}:{}: lists {}, which is {why}", absent.listed_in, absent.line, absent.path)));
    }
    Ok(build.to_yaml())
}

/// The repository, as far as a step may read it: a kustomization cannot pull in what the module could not.
struct Granted {
    repository: Arc<Repository>,
    gate: Arc<Gate>,
}

impl Files for Granted {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        let path = join("", path).ok_or_else(|| format!("{path}: leads out of the repository"))?;
        may_read(&self.gate, &self.repository, &path).map_err(|denied| format!("denied: {}", denied.as_str()))?;
        self.repository.bytes(&path)
    }

    fn list(&self, folder: &str) -> Result<Option<Vec<kustomize::Entry>>, String> {
        let folder = join("", folder).ok_or_else(|| format!("{folder}: leads out of the repository"))?;
        may_look(&self.gate, &self.repository, &folder).map_err(|denied| format!("denied: {}", denied.as_str()))?;
        self.repository.list(&folder)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use bootstrap::Grants;

    use super::*;

    #[test]
    fn a_handle_leads_only_down() {
        assert_eq!(inside("a/b", "c/../d").as_deref(), Some("a/b/d"));
        assert_eq!(inside("a/b", "../c"), None);
        assert_eq!(inside("a", "/x").as_deref(), Some("a/x"));
        assert_eq!(inside("", "").as_deref(), Some(""));
    }

    /// A folder of its own for one test, removed in the end.
    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("launchway-files-{name}-{}", std::process::id()));
            fs::create_dir_all(path.join("repository/granted")).unwrap();
            Folder(path)
        }

        fn repository(&self) -> Repository {
            Repository::open(&self.0.join("repository")).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn gate() -> Gate {
        let grants = Grants { files: vec!["granted".into()], ..Grants::default() };
        Gate::new(grants.clone(), grants)
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_what_it_leads_to() {
        use std::os::unix::fs::symlink;
        let folder = Folder::new("links");
        let root = folder.0.join("repository");
        fs::write(root.join("secret"), "secret").unwrap();
        fs::write(root.join("granted/file"), "file").unwrap();
        fs::write(folder.0.join("outside"), "outside").unwrap();
        for (link, target) in
            [("inside", "file"), ("secret", "../secret"), ("outside", "../../outside"), ("absolute", "/etc/passwd"), ("circle", "circle")]
        {
            symlink(target, root.join("granted").join(link)).unwrap();
        }
        let repository = folder.repository();
        let asked = |path: &str| may_read(&gate(), &repository, path).map_err(|denied| denied.as_str().to_owned());
        assert_eq!(asked("granted/inside"), Ok(()));
        assert!(asked("granted/secret").unwrap_err().contains("granted/secret is a link: file secret"));
        for outside in ["granted/outside", "granted/absolute"] {
            assert!(asked(outside).unwrap_err().contains("out of the repository"), "{outside}");
            assert!(read(&repository, outside).is_err(), "{outside}");
        }
        assert!(read(&repository, "granted/circle").is_err());
    }

    #[test]
    fn a_kustomization_reads_no_more_than_its_module() {
        let folder = Folder::new("kustomize");
        let root = folder.0.join("repository");
        fs::write(root.join("secret"), "secret").unwrap();
        fs::write(root.join("granted/file"), "file").unwrap();
        let files = Granted { repository: Arc::new(folder.repository()), gate: Arc::new(gate()) };
        assert_eq!(files.read("granted/./file").unwrap().as_deref(), Some(&b"file"[..]));
        assert!(files.read("granted/../secret").unwrap_err().contains("denied"));
        assert!(files.read("../outside").is_err());
        assert!(files.list("granted/../other").is_err());
    }

    #[test]
    fn a_huge_file_is_a_limit() {
        let folder = Folder::new("huge");
        let file = fs::File::create(folder.0.join("repository/granted/huge")).unwrap();
        file.set_len(MAX_FILE + 1).unwrap();
        let failure = read(&folder.repository(), "granted/huge").unwrap_err();
        assert_eq!(
            (failure.code.as_str(), failure.message.as_str()),
            ("limit", "granted/huge: is larger than 32 MiB, and no module reads such a file")
        );
    }
}
