//! Ours against Helm 4.2.3, through the SDK that `../shared/tools/helm-oracle` installs.

mod charts;
pub mod goldens;
mod known;
mod manifests;
mod oracle;
mod ours;
pub mod published;
mod schemas;
mod setters;
mod smaller;
mod syntax;
mod templates;
mod values;
mod vocabulary;
mod yaml;

use anyhow::Result;

use crate::options::Options;
use crate::random::Random;
use crate::run::Mode;

/// Is what to do with a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Execute `templates/NOTES.txt` and show it as it is: whatever it prints need not be YAML.
    Render,
    /// Pack an archive and do all that `helm template` does.
    Template,
    /// The same with a folder, where `.helmignore` counts.
    Folder,
    /// Parse the text of a `--set` option: the name of the option.
    Set(&'static str),
}

/// Is one input: a chart and values, or the text of an option.
#[derive(Clone, Debug)]
pub struct Case {
    pub topic: &'static str,
    pub question: Question,
    /// The chart, by paths in it; `Chart.yaml` comes first.
    pub files: Vec<(String, Vec<u8>)>,
    /// The user's values: a JSON object.
    pub values: String,
    /// The text of an option.
    pub text: String,
    pub is_upgrade: bool,
    pub include_crds: bool,
}

impl Case {
    /// Makes a case of one template.
    pub fn render(topic: &'static str, template: impl Into<Vec<u8>>) -> Case {
        Case {
            topic,
            question: Question::Render,
            files: vec![("Chart.yaml".into(), vocabulary::CHART.into()), ("templates/NOTES.txt".into(), template.into())],
            values: vocabulary::VALUES.into(),
            text: String::new(),
            is_upgrade: false,
            include_crds: false,
        }
    }

    /// Adds a file.
    pub fn with(mut self, name: &str, data: impl Into<Vec<u8>>) -> Case {
        self.files.push((name.to_owned(), data.into()));
        self
    }
}

/// Is the mode that compares with Helm.
pub struct Helm {
    oracle: oracle::Oracle,
}

impl Helm {
    /// Starts Helm.
    pub fn start(options: &Options) -> Result<Helm> {
        Ok(Helm { oracle: oracle::Oracle::start(&options.shared.join("tools/helm-oracle"))? })
    }

    /// Asks Helm alone.
    pub fn ask(&mut self, cases: &[Case]) -> Result<Vec<Option<String>>> {
        self.oracle.ask(cases)
    }
}

impl Mode for Helm {
    type Case = Case;

    fn generate(&self, random: &mut Random) -> Case {
        generate(random)
    }

    fn topic(case: &Case) -> &'static str {
        case.topic
    }

    fn ours(case: &Case) -> String {
        comparable(case, ours::answer(case))
    }

    fn theirs(&mut self, cases: &[Case]) -> Result<Vec<Option<String>>> {
        let answers = self.oracle.ask(cases)?;
        Ok(cases.iter().zip(answers).map(|(case, answer)| Some(comparable(case, answer?))).collect())
    }

    fn explanation(case: &Case, ours: &str, theirs: &str) -> Option<&'static str> {
        known::explanation(case, ours, theirs)
    }

    fn smaller(case: &Case) -> Vec<Case> {
        smaller::smaller(case)
    }

    fn show(case: &Case) -> String {
        let mut shown = format!("{:?}\nvalues {}\n", case.question, case.values);
        if !case.text.is_empty() {
            shown = format!("{:?}\n{:?}\n", case.question, case.text);
        }
        for (name, data) in &case.files {
            match std::str::from_utf8(data) {
                Ok(text) if !text.contains(['\r', '\t', '\0', '\u{feff}']) && text.len() < 4000 => shown += &format!("## {name}\n{text}\n"),
                _ => shown += &format!("## {name} (escaped)\n{}\n", data.escape_ascii().to_string().chars().take(4000).collect::<String>()),
            }
        }
        shown
    }
}

fn generate(random: &mut Random) -> Case {
    match random.below(20) {
        0..=8 => templates::call(random),
        9 | 10 => templates::program(random),
        11 => syntax::case(random),
        12..=14 => yaml::case(random),
        15 => values::case(random),
        16 => setters::case(random),
        17 => manifests::case(random),
        18 => charts::case(random),
        _ => schemas::case(random),
    }
}

/// Words of the SDK, where the program has its own.
const SDK_MISSING: &str = "chart dependencies are missing; run dependency update/build first";
const MISSING: &str =
    "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to fetch missing dependencies";

/// Takes out what Helm itself does not repeat: the order in which its schema library reports, and which of several subcharts it looks
/// at first.
fn comparable(case: &Case, answer: String) -> String {
    let mut answer = answer.replace(MISSING, SDK_MISSING);
    // The SDK hands errors over as C strings.
    if answer.starts_with("Error: ")
        && let Some(end) = answer.find('\0')
    {
        answer.truncate(end);
    }
    if let (Some(start), Some(end)) = (answer.find("file '/"), answer.find("/c.tgz' does not appear")) {
        answer.replace_range(start + "file '".len()..end + 1, "");
    }
    if answer.contains("error unpacking subchart ") && case.files.iter().filter(|(name, _)| name.starts_with("charts/")).count() > 1 {
        return "Error: error unpacking a subchart".to_owned();
    }
    if let Some(at) = answer.find("type mismatch on ")
        && case.files.iter().any(|(name, _)| name == "charts/t/Chart.yaml")
    {
        return answer[..at].to_owned();
    }
    if case.topic != "schemas" {
        return answer;
    }
    let mut lines: Vec<String> = answer.lines().map(sorted_words).collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Sorts what is listed in a line.
fn sorted_words(line: &str) -> String {
    let mut words: Vec<&str> = line.split([' ', ',']).collect();
    words.sort_unstable();
    words.join(" ")
}
