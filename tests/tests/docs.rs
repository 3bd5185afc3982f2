//! Runs the commands of the documentation: every line `$ …` of a block marked `console`, from the root of the repository.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use launchway_tests::{binary, copy_into, files, greeter, isolate, root, run, temporary};

/// A command and where it stands.
struct Line {
    place: String,
    text: String,
}

fn commands() -> Vec<Line> {
    let mut pages: Vec<PathBuf> = files(&root().join("docs/src"))
        .expect("the guide")
        .into_iter()
        .filter(|file| file.extension().is_some_and(|end| end == "md"))
        .collect();
    pages.insert(0, root().join("README.md"));
    pages.iter().flat_map(|page| commands_of(page)).collect()
}

fn commands_of(page: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(page).expect("a page");
    let name = page.strip_prefix(root()).unwrap_or(page).display();
    let mut found = Vec::new();
    let mut block: Option<&str> = None;
    for (number, line) in text.lines().enumerate() {
        match (block, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => block = Some(language.trim()),
            (Some(_), Some(_)) => block = None,
            (Some("console"), None) => {
                let command = line.trim_start().strip_prefix("$ ").map(str::to_owned);
                found.extend(command.map(|text| Line { place: format!("{name}:{}", number + 1), text }));
            }
            _ => {}
        }
    }
    assert!(block.is_none(), "{name}: a block is not closed");
    found
}

/// Returns the words of every `cargo xtask …` that is written as code, with its page.
fn xtask_commands() -> Vec<(PathBuf, Vec<String>)> {
    let mut pages: Vec<PathBuf> = files(&root().join("docs/src")).expect("the guide");
    pages.extend(["README.md", "ARCHITECTURE.md", "COMPATIBILITY.md", "CHANGELOG.md"].map(|name| root().join(name)));
    let mut found = Vec::new();
    for page in pages.into_iter().filter(|page| page.extension().is_some_and(|end| end == "md")) {
        let text = std::fs::read_to_string(&page).expect("a page");
        for rest in text.split("cargo xtask ").skip(1) {
            let command = rest.split(['`', '\n', '#']).next().unwrap_or_default();
            found.push((page.clone(), command.split_whitespace().map(str::to_owned).collect()));
        }
    }
    found
}

/// Returns the arms of the automation's `match args`: the words, with `*` for any one and `..` for all that follow.
fn xtask_arms() -> Vec<Vec<String>> {
    let source = std::fs::read_to_string(root().join("xtask/src/main.rs")).expect("the automation");
    let arms = source.lines().filter_map(|line| line.trim().strip_prefix('[')?.split_once("] =>"));
    let word = |word: &str| match word.trim() {
        rest if rest.ends_with("..") => "..".to_owned(),
        literal if literal.starts_with('"') => literal.trim_matches('"').to_owned(),
        _ => "*".to_owned(),
    };
    arms.map(|(words, _)| words.split(", ").map(word).collect()).collect()
}

fn fits(arm: &[String], words: &[String]) -> bool {
    match (arm.split_first(), words.split_first()) {
        (None, None) => true,
        (Some((first, _)), _) if first == ".." => true,
        (Some((first, arm)), Some((word, words))) => (first == "*" || first == word) && fits(arm, words),
        _ => false,
    }
}

#[test]
#[cfg_attr(not(has_binary), ignore = "skipped: run by cargo xtask test, which builds the program")]
fn every_command_of_the_guide_works() {
    let commands = commands();
    assert!(commands.iter().any(|line| line.text.starts_with("launchway boot --sandbox")), "the guide boots the example");
    // What a command writes must not land in the repository: it runs in a copy of all that a reader is told to use.
    let copy = temporary().expect("a folder");
    for folder in ["examples/home", "examples/sops", "examples/modules/greeter/src", "crates/helm/tests/render"] {
        copy_into(&root().join(folder), &copy.path().join(folder)).expect("a copy");
    }
    let module = copy.path().join("examples/modules/greeter/target/greeter.wasm");
    std::fs::create_dir_all(module.parent().expect("a folder")).and_then(|()| std::fs::copy(greeter(), module)).expect("the module");
    let path = std::env::join_paths(
        binary().parent().map(Path::to_owned).into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let mut failures = Vec::new();
    for line in commands.iter().filter(|line| !line.text.starts_with("cargo xtask")) {
        let mut shell = Command::new("sh");
        isolate(&mut shell, copy.path());
        let found = run(shell.args(["-c", &line.text]).env("PATH", path.as_ref().expect("a PATH")));
        if found.code != 0 {
            failures.push(format!("{}: {}: exit {}\n{}{}", line.place, line.text, found.code, found.stdout, found.stderr));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_xtask_command_that_is_named_exists() {
    let (arms, named) = (xtask_arms(), xtask_commands());
    assert!(arms.len() > 10 && named.len() > 3, "{arms:?}\n{named:?}");
    for (page, words) in named {
        assert!(arms.iter().any(|arm| fits(arm, &words)), "{}: `cargo xtask {}` does not exist", page.display(), words.join(" "));
    }
}

/// What the guide includes of a source is there, and what a source marks for it is included.
#[test]
fn every_part_of_a_source_that_is_shown_exists() {
    let mut shown = BTreeSet::new();
    for page in files(&root().join("docs/src")).expect("the guide") {
        let text = std::fs::read_to_string(&page).expect("a page");
        for include in text.split("{{#").skip(1) {
            let include = include.split("}}").next().unwrap_or_default();
            let path = include.strip_prefix("include ").unwrap_or_else(|| panic!("{}: {include}: only include is known", page.display()));
            let (path, anchor) = path.split_once(':').map_or((path, None), |(path, anchor)| (path, Some(anchor)));
            let file = page.parent().expect("a folder").join(path).canonicalize();
            let file = file.unwrap_or_else(|error| panic!("{}: {include}: {error}", page.display()));
            let lines = parts(&std::fs::read_to_string(&file).expect("a source"));
            if let Some(anchor) = anchor {
                let part = lines.iter().find(|(name, _)| name == anchor);
                let (_, count) = part.unwrap_or_else(|| panic!("{}: {include}: there is no such part", page.display()));
                assert!(*count > 0, "{}: {include}: the part is empty", page.display());
                shown.insert((file, anchor.to_owned()));
            }
        }
    }
    let example = root().join("examples/modules/greeter/src").canonicalize().expect("the example");
    for file in files(&example).expect("the example") {
        for (name, _) in parts(&std::fs::read_to_string(&file).expect("a source")) {
            assert!(shown.contains(&(file.clone(), name.clone())), "{}: the part {name} is shown nowhere", file.display());
        }
    }
}

/// Returns the parts that a source marks, with the count of their lines. A mark has no other of its name.
fn parts(source: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let begins = lines.iter().enumerate().filter_map(|(begin, line)| Some((begin, line.split_once("ANCHOR: ")?.1)));
    let part = |(begin, name): (usize, &str)| {
        let marks = |mark: &str| lines.iter().filter(|line| line.ends_with(&format!("{mark}: {name}"))).count();
        assert_eq!((marks("ANCHOR"), marks("ANCHOR_END")), (1, 1), "the part {name} begins and ends once");
        let length = lines[begin..].iter().position(|line| line.ends_with(&format!("ANCHOR_END: {name}"))).expect("ends after it begins");
        (name.to_owned(), length - 1)
    };
    begins.map(part).collect()
}

/// The guide names the release of `wasm-tools` that belongs to the library our own modules are made with.
#[test]
fn the_tools_of_the_guide_are_ours() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("the workspace");
    let (_, version) = manifest.split_once("\nwit-component = { version = \"0.").expect("the library");
    let version = version.split('"').next().unwrap_or_default();
    let page = std::fs::read_to_string(root().join("docs/src/authors/writing.md")).expect("the page");
    assert!(page.contains(&format!("`wasm-tools` 1.{version} or newer")), "wit-component is 0.{version}");
}
