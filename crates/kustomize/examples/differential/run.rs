//! One build by each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kustomize::MemoryFiles;

use crate::Tree;

/// What became of a build.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// The output.
    Built(String),
    /// It was refused; the message is everybody's own.
    Refused,
    /// It crashed, which says nothing.
    Crashed,
}

impl Outcome {
    /// Returns whether ours is the same: the bytes, or a refusal.
    pub fn fits(&self, ours: &str) -> bool {
        match self {
            Outcome::Built(text) => text == ours,
            Outcome::Refused => ours.starts_with("error: "),
            Outcome::Crashed => true,
        }
    }
}

/// The real program and a folder to put trees into.
pub struct Kustomize {
    program: PathBuf,
    folder: PathBuf,
    pub version: String,
}

impl Kustomize {
    pub fn new(program: &str) -> Result<Kustomize, String> {
        let output = Command::new(program).arg("version").output().map_err(|error| format!("{program}: {error}"))?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_string();
        let folder = std::env::temp_dir().join(format!("kustomize-differential-{}", std::process::id()));
        Ok(Kustomize { program: program.into(), folder, version })
    }

    pub fn build(&self, tree: &Tree, folder: &str) -> Result<Outcome, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.folder.display());
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).map_err(failed)?;
        }
        for (path, text) in tree {
            let path = self.folder.join(path);
            fs::create_dir_all(path.parent().unwrap_or(&self.folder)).map_err(failed)?;
            fs::write(&path, text).map_err(failed)?;
        }
        self.build_folder(&self.folder.join(folder))
    }

    pub fn build_folder(&self, folder: &Path) -> Result<Outcome, String> {
        let mut command = Command::new(&self.program);
        command.args(["build", "--load-restrictor", "LoadRestrictionsNone"]).arg(folder).stderr(Stdio::null());
        let output = command.output().map_err(|error| format!("{}: {error}", self.program.display()))?;
        match output.status.success() {
            true => String::from_utf8(output.stdout).map(Outcome::Built).map_err(|error| error.to_string()),
            // Go ends a panic with 2.
            false if output.status.code() == Some(2) => Ok(Outcome::Crashed),
            false => Ok(Outcome::Refused),
        }
    }
}

impl Drop for Kustomize {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Returns what ours prints, or `error: ` and why not.
pub fn ours(tree: &Tree, folder: &str) -> String {
    let files = MemoryFiles(tree.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())).collect());
    match kustomize::build(&files, folder) {
        Ok(build) if build.absent.is_empty() => build.to_yaml(),
        Ok(build) => format!("error: {} is absent\n", build.absent[0].path),
        Err(error) => format!("error: {error}\n"),
    }
}
