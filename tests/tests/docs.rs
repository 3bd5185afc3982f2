//! Runs the commands of the documentation: every line `$ …` of a block marked `console`, from the root of the repository.

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

/// Returns the lines of blocks that show what to type in a shell and are not run here: they build, or touch a cluster.
fn xtask_commands() -> Vec<(PathBuf, String)> {
    let mut pages: Vec<PathBuf> = files(&root().join("docs/src")).expect("the guide");
    pages.extend(["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(|name| root().join(name)));
    let mut found = Vec::new();
    for page in pages.into_iter().filter(|page| page.extension().is_some_and(|end| end == "md")) {
        let text = std::fs::read_to_string(&page).expect("a page");
        for part in text.split("cargo xtask ").skip(1) {
            let word: String = part.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            found.extend((!word.is_empty()).then_some((page.clone(), word)));
        }
    }
    found
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
    let source = std::fs::read_to_string(root().join("xtask/src/main.rs")).expect("the automation");
    let named = xtask_commands();
    assert!(named.len() > 3);
    for (page, command) in named {
        assert!(source.contains(&format!("[\"{command}\"")), "{}: `cargo xtask {command}` does not exist", page.display());
    }
}
