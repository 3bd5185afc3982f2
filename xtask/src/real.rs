//! Builds the real programs that tests run against, from the `go.mod` files under `tests/real/`.
//!
//! A program is built once for each state of its sources and kept in the cache; Go's own build cache makes the next one cheap. Nothing
//! is downloaded but what the Go module proxy holds.
//!
//! The controllers have Flux's and Helm's code, and what merges objects, as published. Where they differ in libraries that decide nothing
//! of what they write (clouds, transports, telemetry, patch versions of Kubernetes' libraries), all have the newest, compiled once.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use sha2::{Digest, Sha256};

use crate::place::Place;

/// A program under `tests/real/`: `main.go` of its own, or the one tool that its `go.mod` names.
struct Program {
    name: &'static str,
    /// What the linker is told, so that the program knows its own version.
    linker: &'static str,
    /// Folders of the module that go beside the program, and their names there.
    data: &'static [(&'static str, &'static str)],
    /// An embedded file that the published module lacks: it is made empty.
    absent: Option<&'static str>,
    /// When it has to be as fast as its published build.
    fast: Fast,
}

/// When a program is compiled as its authors do it; else without inlining, which takes half the time and makes it slower.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fast {
    /// It is measured, or small.
    Always,
    /// It serves what is measured.
    InBenches,
    Never,
}

/// What programs are built for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Tests,
    Benches,
}

impl Purpose {
    /// The folder in the cache where the programs are all found.
    const fn folder(self) -> &'static str {
        match self {
            Purpose::Tests => "real/bin",
            Purpose::Benches => "real/bench",
        }
    }
}

const fn program(name: &'static str, fast: Fast) -> Program {
    Program { name, linker: "", data: &[], absent: None, fast }
}

/// The programs that tests run, those that others wait for first.
const TESTED: &[Program] = &[
    program("registry", Fast::Always),
    program("kustomize", Fast::Always),
    Program { linker: "-X helm.sh/helm/v4/internal/version.version=v4.2.4", ..program("helm", Fast::Always) },
    Program {
        linker: "-X k8s.io/component-base/version.gitVersion=v1.36.3 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36",
        ..program("kubernetes", Fast::InBenches)
    },
    program("kwok", Fast::InBenches),
    program("kustomize-controller", Fast::Never),
    program("source-controller", Fast::Never),
    program("helm-controller", Fast::Never),
    Program {
        data: &[("config/data/flux", "flux"), ("config/data/flux-images", "flux-images"), ("config/crd/bases", "flux-operator-crds")],
        absent: Some("web/dist/index.html"),
        ..program("flux-operator", Fast::Never)
    },
];

/// The programs that only benches run.
const BENCHED: &[Program] = &[program("helmfile", Fast::Always)];

/// Programs that are being built.
pub struct Building {
    folder: PathBuf,
    work: JoinHandle<Result<()>>,
}

impl Building {
    /// Returns the folder that all of them will be in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the folder once they are.
    pub fn finish(self) -> Result<PathBuf> {
        self.work.join().map_err(|_| anyhow!("the build of the real programs stopped"))??;
        Ok(self.folder)
    }
}

/// Starts to build every program that tests run, beside whatever else is done. Returns nothing where they cannot be built.
pub fn start(place: &Place, purpose: Purpose) -> Result<Option<Building>> {
    if !has_go()? {
        if std::env::var_os("LAUNCHWAY_CI").is_some() {
            bail!("Go is missing: the tests against real components cannot run");
        }
        eprintln!("skipped: Go is not here, tests against real components do not run");
        return Ok(None);
    }
    let (place, folder) = (place.clone(), place.cache.join(purpose.folder()));
    fs::create_dir_all(&folder)?;
    let bin = folder.clone();
    let work = std::thread::spawn(move || {
        for (index, program) in TESTED.iter().enumerate() {
            let built = build(program, purpose, &place, &format!("{} of {}", index + 1, TESTED.len()))?;
            for entry in fs::read_dir(&built)? {
                link(&entry?.path(), &bin)?;
            }
        }
        Ok(())
    });
    Ok(Some(Building { folder, work }))
}

/// Builds every program that tests run and returns the folder they are all in, or nothing where they cannot be built.
pub fn all(place: &Place, purpose: Purpose) -> Result<Option<PathBuf>> {
    start(place, purpose)?.map(Building::finish).transpose()
}

/// Builds one program and returns it, or nothing where it cannot be built.
pub fn one(place: &Place, name: &str) -> Result<Option<PathBuf>> {
    let program =
        TESTED.iter().chain(BENCHED).find(|program| program.name == name).with_context(|| format!("there is no program {name}"))?;
    if !has_go()? {
        eprintln!("real {name}: Go is not installed");
        return Ok(None);
    }
    Ok(Some(build(program, Purpose::Benches, place, "1 of 1")?.join(name)))
}

/// Starts a cluster that a person can play with, and keeps it until it is interrupted.
pub fn up(place: &Place) -> Result<()> {
    let Some(programs) = all(place, Purpose::Tests)? else { bail!("there is no cluster without Go: see https://go.dev/doc/install") };
    let mut cluster = Command::new(place.tool("real-cluster")?);
    cluster.env("LAUNCHWAY_REAL", programs);
    place.run(cluster, "keep a cluster")
}

/// Makes a file or folder known under its name in `bin`. Some programs are large: they are not copied.
fn link(target: &Path, bin: &Path) -> Result<()> {
    let name = target.file_name().context("an entry of a folder has a name")?;
    let next = bin.join(format!(".{}-{}", name.display(), std::process::id()));
    std::os::unix::fs::symlink(target, &next).with_context(|| format!("cannot link {}", target.display()))?;
    fs::rename(&next, bin.join(name)).with_context(|| format!("cannot link {}", target.display()))
}

/// Builds a program into the cache and returns the folder it is in.
fn build(program: &Program, purpose: Purpose, place: &Place, which: &str) -> Result<PathBuf> {
    let name = program.name;
    let sources = place.root.join("tests/real").join(name);
    let flags = flags(program, purpose);
    let folder = place.cache.join("real").join(format!("{name}-{}", digest(program, &flags, &sources)?));
    if folder.is_dir() {
        return Ok(folder);
    }
    eprintln!("real {name} ({which}): building, the first time takes minutes");
    let started = Instant::now();
    // A build that is interrupted must not leave something that looks finished.
    let partial = place.cache.join("real").join(format!(".{name}-{}", std::process::id()));
    fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    compile(program, flags, &sources, &partial)?;
    fs::rename(&partial, &folder).with_context(|| format!("cannot move the program to {}", folder.display()))?;
    eprintln!("real {name}: built in {} s", started.elapsed().as_secs());
    Ok(folder)
}

fn has_go() -> Result<bool> {
    match Command::new("go").arg("version").output() {
        Ok(output) if output.status.success() => Ok(true),
        Ok(output) => bail!("go version failed: {}", String::from_utf8_lossy(&output.stderr).trim()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).context("cannot run go"),
    }
}

/// Returns what the compiler and the linker are told.
fn flags(program: &Program, purpose: Purpose) -> Vec<String> {
    let fast = program.fast == Fast::Always || (program.fast == Fast::InBenches && purpose == Purpose::Benches);
    // Nobody debugs these: without what debuggers need they are built and linked sooner. The standard library is the same for all.
    let compiler = if fast { "-dwarf=false" } else { "-dwarf=false -l" };
    vec![
        "-trimpath".into(),
        format!("-gcflags=all={compiler}"),
        "-gcflags=std=-dwarf=false".into(),
        format!("-ldflags=-s -w {}", program.linker),
    ]
}

fn compile(program: &Program, flags: Vec<String>, sources: &Path, out: &Path) -> Result<()> {
    let module = if program.absent.is_some() || !program.data.is_empty() { Some(completed(program, sources, out)?) } else { None };
    let package = if sources.join("main.go").is_file() { "." } else { "tool" };
    let mut build = vec!["build".to_owned()];
    build.extend(flags);
    build.extend(["-o".into(), out.join(program.name).display().to_string(), package.into()]);
    go(module.as_deref().unwrap_or(sources), &build).with_context(|| format!("tests/real/{} does not build", program.name))?;
    if let Some(module) = module {
        fs::remove_dir_all(module)?;
    }
    Ok(())
}

/// Copies the module and the one it requires, completes that, and puts its data beside the program.
fn completed(program: &Program, sources: &Path, out: &Path) -> Result<PathBuf> {
    let module = out.join("module");
    fs::create_dir_all(&module)?;
    for file in files(sources)? {
        fs::copy(&file, module.join(file.file_name().unwrap_or_default()))?;
    }
    let path = required(&module)?;
    go(&module, &["mod".into(), "download".into(), path.clone()])?;
    let published = PathBuf::from(go_says(&module, &["list", "-m", "-f", "{{.Dir}}", &path])?);
    for (from, name) in program.data {
        copy(&published.join(from), &out.join(name))?;
    }
    if let Some(absent) = program.absent {
        let own = module.join("required");
        copy(&published, &own)?;
        let file = own.join(absent);
        fs::create_dir_all(file.parent().unwrap_or(&own))?;
        fs::write(file, "")?;
        go(&module, &["mod".into(), "edit".into(), "-replace".into(), format!("{path}=./required")])?;
    }
    Ok(module)
}

/// Returns the module that a `go.mod` requires by itself.
fn required(module: &Path) -> Result<String> {
    let found = go_says(module, &["list", "-m", "-f", "{{if not (or .Main .Indirect)}}{{.Path}}{{end}}", "all"])?;
    found.lines().next().map(str::to_owned).context("go.mod requires nothing")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            // Not a copy of the file: modules are read-only, and a cache must be removable.
            fs::write(target, fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

fn go(folder: &Path, arguments: &[String]) -> Result<()> {
    let status = Command::new("go").args(arguments).current_dir(folder).env("CGO_ENABLED", "0").status().context("cannot run go")?;
    if !status.success() {
        bail!("go {} failed", arguments.join(" "));
    }
    Ok(())
}

fn go_says(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("go").args(arguments).current_dir(folder).output().context("cannot run go")?;
    if !output.status.success() {
        bail!("go {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Returns a digest of what decides the program: names and content of the sources, and how it is built.
fn digest(program: &Program, flags: &[String], sources: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(format!("{flags:?} {:?} {:?}\n", program.data, program.absent));
    for path in &files(sources)? {
        let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        hash.update(format!("{:?} {}\n", path.file_name().unwrap_or_default(), content.len()));
        hash.update(content);
    }
    Ok(hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

/// Returns the sources of a program, sorted.
fn files(sources: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(sources)
        .with_context(|| format!("cannot read {}", sources.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    files.retain(|path| is_source(path));
    files.sort();
    Ok(files)
}

fn is_source(path: &Path) -> bool {
    let is_module = matches!(path.file_name().and_then(OsStr::to_str), Some("go.mod" | "go.sum"));
    is_module || path.extension() == Some(OsStr::new("go"))
}
