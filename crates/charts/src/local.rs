//! Charts on this machine: folders, archives, and the directories of archives that stand in for registries.
//!
//! Folders are walked as Helm's `pkg/chart/v2/loader/directory.go` (4.2) does: links are followed, what `.helmignore` names is not read.
//! All of it blocks; [`crate::Source`] runs it on a thread of its own.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use helm::both::{self, Both};
use helm::chart::IgnoreRules;
use helm::{Chart, ChartError, Parsed};

use crate::error::{Kind, Problem};
use crate::reference::{Reference, as_tag};
use crate::version;

/// Largest archive that is read, from a disk or a network: Helm's limit for an unpacked chart.
pub(crate) const MAX_ARCHIVE: u64 = 100 << 20;
const MAX_FOLDER: u64 = 100 << 20;
const MAX_ENTRIES: usize = 20_000;
const MAX_DEPTH: usize = 64;

/// A chart and the bytes it was read from, if those were an archive.
pub(crate) struct Found {
    pub(crate) chart: Chart,
    pub(crate) archive: Option<Vec<u8>>,
    pub(crate) path: PathBuf,
}

/// Reads a chart folder or an archive.
pub(crate) fn read(path: &Path) -> Result<Found, Problem> {
    read_in(path, both::in_turn, &mut Parsed::default())
}

pub(crate) fn read_in(path: &Path, both: Both, parsed: &mut Parsed) -> Result<Found, Problem> {
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Problem::new(Kind::Missing, "there is no such file or folder"),
        _ => unreadable(path, &error),
    })?;
    if !metadata.is_dir() {
        return read_archive_in(path, both, parsed);
    }
    if !path.join("Chart.yaml").is_file() {
        return Err(Problem::new(Kind::NotAChart, "the folder holds no Chart.yaml"));
    }
    let chart = Chart::from_files(Walk::new(path).run()?).map_err(not_a_chart)?;
    Ok(Found { chart, archive: None, path: path.to_owned() })
}

fn read_archive(path: &Path) -> Result<Found, Problem> {
    read_archive_in(path, both::in_turn, &mut Parsed::default())
}

fn read_archive_in(path: &Path, both: Both, parsed: &mut Parsed) -> Result<Found, Problem> {
    let bytes = read_limited(path, MAX_ARCHIVE)?;
    let chart = Chart::from_archive_in(&file_name(path), &bytes, both, &mut |path, text| parsed.parse(path, text)).map_err(not_a_chart)?;
    Ok(Found { chart, archive: Some(bytes), path: path.to_owned() })
}

/// Reads an archive that is already in memory.
pub(crate) fn parse(name: &str, bytes: &[u8]) -> Result<Chart, Problem> {
    Chart::from_archive(name, bytes).map_err(not_a_chart)
}

fn not_a_chart(error: ChartError) -> Problem {
    Problem::new(Kind::NotAChart, error.to_string())
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(Kind::Unreadable, format!("cannot read {}: {error}", path.display()))
}

fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, Problem> {
    // A pipe or device would block or never end.
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !metadata.is_file() {
        return Err(Problem::new(Kind::Unreadable, format!("{} is not a regular file", path.display())));
    }
    let file = fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    let mut bytes = Vec::with_capacity(metadata.len().min(limit) as usize + 1);
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > limit {
        return Err(Problem::new(Kind::NotAChart, format!("{} is larger than {limit} bytes", path.display())));
    }
    Ok(bytes)
}

struct Walk<'a> {
    root: &'a Path,
    rules: Option<IgnoreRules>,
    files: Vec<(String, Vec<u8>)>,
    left: u64,
    entries: usize,
}

impl<'a> Walk<'a> {
    fn new(root: &'a Path) -> Walk<'a> {
        // A file of rules that cannot be understood is reported when the chart is put together.
        let rules = fs::read_to_string(root.join(".helmignore")).unwrap_or_default();
        Walk { root, rules: IgnoreRules::parse(&rules).ok(), files: Vec::new(), left: MAX_FOLDER, entries: 0 }
    }

    fn run(mut self) -> Result<Vec<(String, Vec<u8>)>, Problem> {
        self.folder(self.root, "", 0)?;
        Ok(self.files)
    }

    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), Problem> {
        if depth > MAX_DEPTH {
            let reason = format!("folders below {prefix} are nested deeper than {MAX_DEPTH}; a link may lead back to a folder above it");
            return Err(Problem::new(Kind::NotAChart, reason));
        }
        for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
            let entry = entry.map_err(|error| unreadable(folder, &error))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(Problem::new(Kind::NotAChart, format!("{} has a name that is not UTF-8", entry.path().display())));
            };
            self.entry(&entry.path(), format!("{prefix}{name}"), depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: String, depth: usize) -> Result<(), Problem> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(Problem::new(Kind::NotAChart, format!("the folder holds more than {MAX_ENTRIES} files")));
        }
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(_) if self.ignores(&name, false) => return Ok(()),
            Err(error) => return Err(unreadable(path, &error)),
        };
        if self.ignores(&name, metadata.is_dir()) {
            return Ok(());
        }
        if metadata.is_dir() {
            return self.folder(path, &format!("{name}/"), depth + 1);
        }
        let data = read_limited(path, self.left)?;
        self.left -= data.len() as u64;
        self.files.push((name, data));
        Ok(())
    }

    fn ignores(&self, name: &str, is_folder: bool) -> bool {
        self.rules.as_ref().is_some_and(|rules| rules.ignores(name, is_folder))
    }
}

/// Looks for an archive that stands in for the reference.
pub(crate) fn find_in(directory: &Path, reference: &Reference) -> Result<Option<Found>, Problem> {
    let Some(name) = reference.archive_name() else { return Ok(None) };
    match wanted(reference) {
        Wanted::Exactly(version) => exact(directory, name, version),
        Wanted::InRange(range, filter) => match exact(directory, name, range)? {
            Some(found) => Ok(Some(found)),
            None => highest(directory, name, range, filter),
        },
        Wanted::Unknown => Ok(None),
    }
}

enum Wanted<'a> {
    Exactly(&'a str),
    /// A range, and the expression that tags must fit.
    InRange(&'a str, Option<&'a str>),
    /// Only a manifest's digest is known, which no archive can prove.
    Unknown,
}

fn wanted(reference: &Reference) -> Wanted<'_> {
    match reference {
        Reference::Oci { tag: Some(tag), digest: Some(_), .. } => Wanted::Exactly(tag),
        Reference::Oci { digest: Some(_), .. } | Reference::Path(_) => Wanted::Unknown,
        Reference::Oci { semver: Some(range), filter, .. } => Wanted::InRange(range, filter.as_deref()),
        Reference::Oci { tag, .. } => Wanted::Exactly(tag.as_deref().unwrap_or("latest")),
        Reference::Repository { version, .. } => Wanted::InRange(version, None),
    }
}

fn exact(directory: &Path, name: &str, version: &str) -> Result<Option<Found>, Problem> {
    // A version comes from a manifest: it must not lead out of the directory.
    if version.is_empty() || version.contains(['/', '\\', '\0']) {
        return Ok(None);
    }
    for spelling in [version.to_owned(), version.replace('_', "+"), version.replace('+', "_")] {
        let path = directory.join(format!("{name}-{spelling}.tgz"));
        if path.is_file() {
            return read_archive(&path).map(Some);
        }
    }
    let other = version.strip_prefix('v').map_or_else(|| format!("v{version}"), str::to_owned);
    let path = directory.join(format!("{name}-{other}.tgz"));
    if !path.is_file() {
        return Ok(None);
    }
    let found = read_archive(&path)?;
    Ok(version::same(&found.chart.metadata.version, version).then_some(found))
}

/// Takes the highest archive in the range whose `Chart.yaml` agrees with its name: `a-1.0.0-2.0.0.tgz` may be chart `a-1.0.0`.
fn highest(directory: &Path, name: &str, range: &str, filter: Option<&str>) -> Result<Option<Found>, Problem> {
    let (range, filter) = (version::constraint(range)?, version::Filter::of(filter)?);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(directory, &error)),
    };
    let candidates = entries.filter_map(|entry| {
        let file = entry.ok()?.file_name().into_string().ok()?;
        let version = file.strip_prefix(name)?.strip_prefix('-')?.strip_suffix(".tgz")?.replace('_', "+");
        Some((version::strict(&version).filter(|_| filter.fits(&as_tag(&version)))?, file))
    });
    for (version, file) in version::matching(candidates, &range) {
        let found = read_archive(&directory.join(file))?;
        if version::same(&found.chart.metadata.version, version.original()) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packing;

    fn directory(files: &[(&str, &str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (file, name, version) in files {
            fs::write(directory.path().join(file), packing::chart(name, version)).unwrap();
        }
        directory
    }

    fn oci(name: &str, version: Option<&str>) -> Reference {
        Reference::parse(&format!("oci://registry.example/charts/{name}"), version).unwrap()
    }

    fn found(directory: &tempfile::TempDir, reference: &Reference) -> Option<String> {
        find_in(directory.path(), reference).unwrap().map(|found| file_name(&found.path))
    }

    #[test]
    fn names_and_versions_may_hold_dashes() {
        let files = [
            ("gateway-helm-1.9.0.tgz", "gateway-helm", "1.9.0"),
            ("gateway-2.0.0.tgz", "gateway", "2.0.0"),
            ("prometheus-node-exporter-4.56.1.tgz", "prometheus-node-exporter", "4.56.1"),
            ("app-1.0.0-rc.1.tgz", "app", "1.0.0-rc.1"),
            ("app-1.0.0-2.0.0.tgz", "app-1.0.0", "2.0.0"),
        ];
        let directory = directory(&files);
        assert_eq!(found(&directory, &oci("gateway-helm", Some("1.9.0"))).unwrap(), "gateway-helm-1.9.0.tgz");
        assert_eq!(found(&directory, &oci("gateway", None)).unwrap(), "gateway-2.0.0.tgz");
        assert_eq!(found(&directory, &oci("prometheus", None)), None);
        assert_eq!(found(&directory, &oci("app", Some("1.0.0-rc.1"))).unwrap(), "app-1.0.0-rc.1.tgz");
        assert_eq!(found(&directory, &oci("app", Some(">0.0.0-0"))).unwrap(), "app-1.0.0-rc.1.tgz");
        assert_eq!(found(&directory, &oci("app-1.0.0", None)).unwrap(), "app-1.0.0-2.0.0.tgz");
    }

    #[test]
    fn a_leading_v_needs_the_chart_to_agree() {
        let files = [("a-1.0.0.tgz", "a", "1.0.0"), ("b-v1.0.0.tgz", "b", "v1.0.0"), ("c-1.0.0.tgz", "c", "9.9.9")];
        let directory = directory(&files);
        assert!(found(&directory, &oci("a", Some("v1.0.0"))).is_some());
        assert!(found(&directory, &oci("b", Some("1.0.0"))).is_some());
        assert!(found(&directory, &oci("b", Some("v1.0.0"))).is_some());
        assert!(found(&directory, &oci("c", Some("v1.0.0"))).is_none());
        assert!(found(&directory, &oci("c", Some("^1"))).is_none());
    }

    #[test]
    fn ranges_and_build_metadata() {
        let files = [("a-1.2.0.tgz", "a", "1.2.0"), ("a-1.10.0.tgz", "a", "1.10.0"), ("a-2.0.0_x.tgz", "a", "2.0.0+x")];
        let directory = directory(&files);
        assert_eq!(found(&directory, &oci("a", Some("1.x"))).unwrap(), "a-1.10.0.tgz");
        assert_eq!(found(&directory, &oci("a", Some("2.0.0+x"))).unwrap(), "a-2.0.0_x.tgz");
        let repository = Reference::Repository { url: "https://h".into(), name: "a".into(), version: String::new() };
        assert_eq!(found(&directory, &repository).unwrap(), "a-2.0.0_x.tgz");
        let outside = Reference::Repository { url: "https://h".into(), name: "a".into(), version: "../a-1.2.0".into() };
        assert!(find_in(directory.path(), &outside).is_err(), "a path is no version");
    }

    #[test]
    fn a_filter_leaves_versions_out() {
        let directory = directory(&[("a-1.2.0.tgz", "a", "1.2.0"), ("a-1.3.0-rc.1.tgz", "a", "1.3.0-rc.1")]);
        let mut reference = oci("a", Some(">=1.0.0-0"));
        assert_eq!(found(&directory, &reference).unwrap(), "a-1.3.0-rc.1.tgz");
        if let Reference::Oci { filter, .. } = &mut reference {
            *filter = Some("^[0-9.]+$".to_owned());
        }
        assert_eq!(found(&directory, &reference).unwrap(), "a-1.2.0.tgz");
    }

    #[test]
    fn a_digest_alone_is_no_version() {
        let directory = directory(&[("a-1.2.0.tgz", "a", "1.2.0")]);
        let digest = format!("sha256:{}", "00".repeat(32));
        let pinned = |tag: &str| Reference::parse(&format!("oci://h/a{tag}@{digest}"), None).unwrap();
        assert_eq!(found(&directory, &pinned("")), None);
        assert!(found(&directory, &pinned(":1.2.0")).is_some());
    }

    #[test]
    fn a_broken_archive_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a-1.0.0.tgz"), "nothing").unwrap();
        let problem = find_in(directory.path(), &oci("a", Some("1.0.0"))).err().unwrap();
        assert_eq!(problem.kind, Kind::NotAChart);
    }

    #[test]
    fn reads_a_folder() {
        let root = tempfile::tempdir().unwrap();
        let chart = root.path().join("chart");
        fs::create_dir_all(chart.join("templates")).unwrap();
        fs::create_dir_all(chart.join("big")).unwrap();
        fs::write(chart.join("Chart.yaml"), "apiVersion: v2\nname: a\nversion: 1.0.0\n").unwrap();
        fs::write(chart.join(".helmignore"), "big/\n").unwrap();
        fs::write(chart.join("big/file"), "ignored").unwrap();
        fs::write(root.path().join("linked.yaml"), "a: b\n").unwrap();
        std::os::unix::fs::symlink("../../linked.yaml", chart.join("templates/linked.yaml")).unwrap();
        let found = read(&chart).unwrap();
        assert_eq!(found.chart.templates.len(), 1);
        assert_eq!(&*found.chart.templates[0].data, b"a: b\n");
        assert!(found.chart.files.iter().all(|file| !file.name.starts_with("big")));

        std::os::unix::fs::symlink("..", chart.join("templates/loop")).unwrap();
        let problem = read(&chart).err().unwrap();
        assert!(problem.reason.contains("nested deeper") || problem.reason.contains("cannot read"), "{}", problem.reason);
    }

    #[test]
    fn says_what_is_wrong_with_a_path() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(read(&root.path().join("no")).err().unwrap().kind, Kind::Missing);
        assert_eq!(read(root.path()).err().unwrap().kind, Kind::NotAChart);
    }
}
