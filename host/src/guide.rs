//! Holds README and guide against the program: each command that is shown can be typed, each manifest can be read.
//! `tests/tests/docs.rs` runs what stands in blocks marked `console`.

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::options::Options;

/// A block between fences.
struct Block {
    /// The page, and the line of its first line.
    page: String,
    line: usize,
    language: String,
    text: String,
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let guide = root.join("docs/src");
    let listed = |folder: &Path| std::fs::read_dir(folder).expect("the guide").map(|entry| entry.expect("a page").path());
    let all = [root.join("README.md")].into_iter().chain(listed(&guide)).chain(listed(&guide.join("authors")));
    all.filter(|page| page.extension().is_some_and(|end| end == "md")).collect()
}

fn blocks() -> Vec<Block> {
    let mut found = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("a page");
        let page = page.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut open: Option<Block> = None;
        for (index, line) in text.lines().enumerate() {
            match (&mut open, line.trim_start().strip_prefix("```")) {
                (None, Some(language)) => {
                    open = Some(Block { page: page.clone(), line: index + 2, language: language.into(), text: String::new() });
                }
                (Some(_), Some(_)) => found.extend(open.take()),
                (Some(block), None) => block.text.push_str(&format!("{line}\n")),
                (None, None) => {}
            }
        }
    }
    found
}

/// Returns the commands of the program in a block, with their places.
fn commands(block: &Block) -> impl Iterator<Item = (String, Vec<&str>)> {
    let before = match block.language.as_str() {
        "sh" => "",
        "yaml" => "- run: ",
        _ => "a line of another language",
    };
    block.text.lines().enumerate().filter_map(move |(index, line)| {
        let command = line.trim_start().strip_prefix(before)?;
        let (command, _) = command.split_once(" #").unwrap_or((command, ""));
        let place = format!("{}:{}: {command}", block.page, block.line + index);
        Some((place, command.split_whitespace().collect())).filter(|(_, words): &(_, Vec<&str>)| words.first() == Some(&"launchway"))
    })
}

#[test]
fn every_command_that_is_shown_is_understood() {
    let blocks = blocks();
    let mut count = 0;
    for (place, words) in blocks.iter().flat_map(commands) {
        count += 1;
        if let Err(error) = Options::try_parse_from(&words) {
            panic!("{place}\n{error}");
        }
    }
    assert!(count >= 12, "only {count} commands");
}

#[test]
fn every_manifest_that_is_shown_is_read() {
    let (mut whole, mut parts) = (0, 0);
    for block in blocks().iter().filter(|block| block.language == "yaml") {
        let place = format!("{}:{}", block.page, block.line);
        if block.text.contains("kind: Bootstrap") {
            whole += 1;
            assert!(bootstrap::parse(&place, &block.text).is_ok(), "{}", bootstrap::parse(&place, &block.text).unwrap_err());
        } else if block.text.contains("module: ") {
            parts += 1;
            let steps: String = block.text.lines().map(|line| format!("    {line}\n")).collect();
            let text = format!("apiVersion: launchway.dev/v1alpha1\nkind: Bootstrap\nmetadata: {{ name: part }}\nspec:\n  steps:\n{steps}");
            let problems = bootstrap::parse(&place, &text).err();
            // The steps that it needs are not shown.
            let mut wrong = problems.iter().flat_map(|problems| problems.list()).filter(|problem| !problem.message.contains("is no step"));
            assert!(wrong.next().is_none(), "{}", problems.expect("problems"));
        }
    }
    assert!(whole >= 3 && parts >= 3, "{whole} manifests and {parts} parts of one");
}
