//! One long-lived process that answers with Helm's SDK.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Case, Question};

const PROGRAM: &str = include_str!("oracle.py");

/// Is Helm, behind a pipe.
pub struct Oracle {
    tool: PathBuf,
    process: Child,
}

impl Oracle {
    /// Starts it; the first time it installs Helm's SDK.
    pub fn start(tool: &Path) -> Result<Oracle> {
        if !tool.is_file() {
            bail!("{} is not here: Helm cannot be asked; set LAUNCHWAY_SHARED to the folder that has it", tool.display());
        }
        let tool = tool.canonicalize()?;
        Ok(Oracle { process: spawn(&tool)?, tool })
    }

    /// Returns an answer to each case; `None` where Helm crashed or could not repeat itself.
    pub fn ask(&mut self, cases: &[Case]) -> Result<Vec<Option<String>>> {
        let mut answers = Vec::with_capacity(cases.len());
        while answers.len() < cases.len() {
            let found = self.exchange(&cases[answers.len()..])?;
            let all = found.len();
            answers.extend(found);
            if answers.len() < cases.len() {
                // Go does not survive some inputs. The one after the last answer was too much.
                answers.push(None);
                self.process = spawn(&self.tool)?;
                if all == 0 && answers.iter().filter(|answer| answer.is_none()).count() > 8 {
                    bail!("Helm's SDK dies on everything");
                }
            }
        }
        Ok(answers)
    }

    fn exchange(&mut self, cases: &[Case]) -> Result<Vec<Option<String>>> {
        let mut input = self.process.stdin.take().context("the oracle reads")?;
        let mut output = BufReader::new(self.process.stdout.take().context("the oracle writes")?);
        let questions: Vec<String> = cases.iter().map(|case| format!("{}\n", question(case))).collect();
        // Written beside the reading: both pipes are small.
        let writer = std::thread::spawn(move || {
            let _broken_pipe = questions.iter().try_for_each(|question| input.write_all(question.as_bytes())).and_then(|()| input.flush());
            input
        });
        let mut answers = Vec::new();
        for _ in cases {
            let mut line = String::new();
            if output.read_line(&mut line)? == 0 {
                break;
            }
            answers.push(read(&line)?);
        }
        let complete = answers.len() == cases.len();
        if !complete {
            self.process.kill().and_then(|()| self.process.wait().map(|_| ()))?;
        }
        let Ok(input) = writer.join() else { bail!("the writer of questions panicked") };
        self.process.stdin = Some(input);
        self.process.stdout = Some(output.into_inner());
        Ok(answers)
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _already_gone = self.process.kill().and_then(|()| self.process.wait());
    }
}

fn spawn(tool: &Path) -> Result<Child> {
    let program = std::env::temp_dir().join(format!("differential-oracle-{}.py", std::process::id()));
    std::fs::write(&program, PROGRAM).with_context(|| program.display().to_string())?;
    let mut command = Command::new("python3");
    command.arg(&program).arg(tool).env("TZ", "UTC").env("PYTHONDONTWRITEBYTECODE", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("python3 cannot be run")
}

fn question(case: &Case) -> Value {
    let files: Vec<_> = case.files.iter().map(|(name, data)| json!([name, STANDARD.encode(data)])).collect();
    let kind = match case.question {
        Question::Render => "render",
        Question::Template => "template",
        Question::Folder => "folder",
        Question::Set(option) => option,
    };
    let options = json!({"is_upgrade": case.is_upgrade, "include_crds": case.include_crds});
    json!({"kind": kind, "files": files, "values": case.values, "text": case.text, "options": options})
}

fn read(line: &str) -> Result<Option<String>> {
    let answer: Value = serde_json::from_str(line).context("the oracle answers in JSON")?;
    Ok(match (&answer["output"], &answer["error"]) {
        (Value::String(output), _) if has_address(output) => None,
        (Value::String(output), _) => Some(output.clone()),
        (_, Value::String(error)) => Some(format!("Error: {error}")),
        _ => None,
    })
}

/// Tells whether Go printed where something lies in memory, which is somewhere else each time.
fn has_address(text: &str) -> bool {
    text.match_indices("0x").any(|(at, _)| text[at + 2..].bytes().take_while(u8::is_ascii_hexdigit).count() >= 9)
}
