//! What is printed or written of a render.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use helm::{HelmCompat, RenderError, Rendered, TemplateOutput};

use crate::failure::Failure;

/// Prints the pieces that `write` hands out.
pub fn print(write: impl FnOnce(&mut dyn FnMut(&str)) -> Result<(), RenderError>) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut printed = Ok(());
    let mut print = |piece: &str| {
        if printed.is_ok() {
            printed = out.write_all(piece.as_bytes());
        }
    };
    write(&mut print).map_err(|error| Failure::user(error.to_string()))?;
    match printed.and_then(|()| out.flush()) {
        // The reader of a pipe may have enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::user(format!("the output cannot be written: {error}"))),
        _ => Ok(()),
    }
}

fn print_text(text: &str) -> Result<(), Failure> {
    print(|print| {
        print(text);
        Ok(())
    })
}

/// Prints what was rendered before an error, as Helm does with `--debug`: every file if one is no YAML, else an empty line.
pub fn broken(error: &RenderError, output: &TemplateOutput, compat: &HelmCompat) -> Result<(), Failure> {
    match error {
        RenderError::Document { files, .. } => match helm::broken_output(files, output, compat) {
            Ok(text) => print_text(&text),
            // What was asked for may be too malformed to be found: the error of the render says more.
            Err(_) => Ok(()),
        },
        RenderError::Template(_) | RenderError::KubeVersion { .. } => print_text("\n"),
        _ => Ok(()),
    }
}

/// Returns the folder for files as Helm names it.
pub fn named(folder: &str, release: Option<&String>) -> String {
    match release {
        Some(release) => Path::new(folder).join(release).components().collect::<std::path::PathBuf>().display().to_string(),
        None => folder.to_owned(),
    }
}

/// Writes a file for each template into a folder, and prints a line for every document of them.
pub fn write(root: &Path, folder: &str, rendered: &Rendered, output: &TemplateOutput) -> Result<(), Failure> {
    let mut files = Files { root, folder, begun: BTreeSet::new(), lines: String::new() };
    let written = files.all(rendered, output);
    let lines = std::mem::take(&mut files.lines);
    print_text(&lines)?;
    written?;
    match output.show_only.first() {
        // Nothing is left to show.
        Some(path) => Err(Failure::user(RenderError::NoTemplate(path.clone()).to_string())),
        None => print_text("\n"),
    }
}

struct Files<'a> {
    root: &'a Path,
    folder: &'a str,
    /// The files that this run has written to: what is there from before goes.
    begun: BTreeSet<String>,
    lines: String,
}

impl Files<'_> {
    fn all(&mut self, rendered: &Rendered, output: &TemplateOutput) -> Result<(), Failure> {
        if output.include_crds {
            rendered.crds.iter().try_for_each(|crd| self.add(&crd.path, &String::from_utf8_lossy(&crd.data)))?;
        }
        rendered.documents.iter().try_for_each(|document| self.add(&document.path, &document.text))?;
        let hooks = rendered.hooks.iter().filter(|hook| !(output.no_hooks || output.skip_tests && hook.is_test()));
        hooks.map(|hook| &hook.document).try_for_each(|document| self.add(&document.path, &document.text))
    }

    fn add(&mut self, path: &str, text: &str) -> Result<(), Failure> {
        let name = format!("{}/{path}", self.folder);
        let file = self.root.join(&name);
        let failed = |error: &dyn Display| Failure::user(error.to_string());
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(|error| failed(&format!("mkdir {}: {}", parent.display(), as_go_says(&error))))?;
        }
        let is_begun = !self.begun.insert(path.to_owned());
        let opened = OpenOptions::new().create(true).write(true).append(is_begun).truncate(!is_begun).open(&file);
        let written = opened.and_then(|mut file| file.write_all(format!("---\n# Source: {path}\n{text}\n").as_bytes()));
        written.map_err(|error| failed(&format!("open {name}: {}", as_go_says(&error))))?;
        self.lines.push_str(&format!("wrote {name}\n"));
        Ok(())
    }
}

/// Returns an error of the system in the words of Go, which are those of C in lower case.
pub fn as_go_says(error: &io::Error) -> String {
    let text = error.to_string();
    match (error.raw_os_error(), text.rfind(" (os error ")) {
        (Some(_), Some(end)) => text[..end].to_lowercase(),
        _ => text,
    }
}
