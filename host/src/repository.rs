//! The GitOps repository, opened once. Nothing outside it can be reached through it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use kustomize::{Entry, Files};

use crate::failure::{Failure, chain};

/// The repository as a capability: links that lead out of it are refused.
pub struct Repository {
    root: Dir,
    path: PathBuf,
}

/// The largest file that is read.
pub const MAX_FILE: u64 = 32 << 20;

/// How many folders are searched for files.
const MAX_FOLDERS: usize = 20_000;

/// Says why a Flux tree cannot be read; where it is not clear which one it is, how to name it.
pub fn unread(error: &flux::Error) -> Failure {
    let failure = Failure::user(chain(error));
    match error {
        flux::Error::NoRoot | flux::Error::AmbiguousRoot(_) | flux::Error::NoFolder(_) => {
            failure.hint("name the folder that Flux synchronises with `--flux-path FOLDER`")
        }
        _ => failure,
    }
}

impl Repository {
    /// Opens a repository.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let root = Dir::open_ambient_dir(path, ambient_authority()).map_err(|error| {
            Failure::user(format!("repository {}: {error}", path.display()))
                .hint("set `spec.repository` to the folder of the GitOps repository")
        })?;
        Ok(Repository { root, path: path.to_owned() })
    }

    /// Returns where the repository is, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the git work tree that holds a folder, or the folder itself if there is none.
    pub fn around(folder: &Path) -> PathBuf {
        folder.ancestors().find(|candidate| candidate.join(".git").exists()).unwrap_or(folder).to_owned()
    }

    /// Returns a file with its size limited; none if there is no such file.
    pub fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        let found = match self.root.metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        if found.is_dir() {
            return Ok(None);
        }
        if !found.is_file() {
            return Err("is no regular file".into());
        }
        if found.len() > MAX_FILE {
            return Err(format!("is larger than {} MiB", MAX_FILE >> 20));
        }
        self.root.read(path).map(Some).map_err(|error| error.to_string())
    }

    /// Returns the path of a file or folder with links followed; none if there is no such thing. A link that leads out of the repository is an
    /// error without a number of the system.
    pub fn real_path(&self, path: &str) -> std::io::Result<Option<String>> {
        match self.root.canonicalize(if path.is_empty() { "." } else { path }) {
            Ok(found) => Ok(found.into_os_string().into_string().ok().map(|found| if found == "." { String::new() } else { found })),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the YAML files outside hidden folders, templates of such included, sorted.
    pub fn yaml_files(&self) -> Vec<String> {
        let (mut found, mut open, mut seen) = (Vec::new(), vec![String::new()], 0);
        while let Some(folder) = open.pop().filter(|_| seen < MAX_FOLDERS) {
            seen += 1;
            for entry in self.list(&folder).ok().flatten().unwrap_or_default() {
                let path = if folder.is_empty() { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
                if entry.directory && !entry.name.starts_with('.') {
                    open.push(path);
                } else if !entry.directory && (entry.name.contains(".yaml") || entry.name.contains(".yml")) {
                    found.push(path);
                }
            }
        }
        found.sort();
        found
    }

    /// Returns the size of a file.
    pub fn size(&self, path: &str) -> u64 {
        self.root.metadata(path).map(|found| found.len()).unwrap_or(0)
    }
}

impl Files for Repository {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        self.bytes(path)
    }

    fn list(&self, folder: &str) -> Result<Option<Vec<Entry>>, String> {
        let folder = if folder.is_empty() { "." } else { folder };
        let found = match self.root.read_dir(folder) {
            Ok(found) => found,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let mut entries = Vec::new();
        for entry in found {
            let entry = entry.map_err(|error| error.to_string())?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is = entry.file_type().map_err(|error| error.to_string())?;
            let leads_to_folder = || self.root.metadata(format!("{folder}/{name}")).is_ok_and(|found| found.is_dir());
            let (link, directory) = (is.is_symlink(), is.is_dir() || is.is_symlink() && leads_to_folder());
            entries.push(Entry { name, directory, link });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(entries))
    }
}
