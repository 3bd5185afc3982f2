//! One long-lived process that answers with Helm's SDK.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Case, Question};

const PROGRAM: &str = include_str!("oracle.py");

/// After how long without an answer Helm counts as hanging.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long Helm's SDK may take to be installed, the first time.
const INSTALLATION: Duration = Duration::from_secs(600);

/// Is Helm, behind a pipe.
pub struct Oracle {
    tool: PathBuf,
    process: Process,
}

impl Oracle {
    /// Starts it; the first time it installs Helm's SDK.
    pub fn start(tool: &Path) -> Result<Oracle> {
        if !tool.is_file() {
            bail!("{} is not here: Helm cannot be asked; set LAUNCHWAY_SHARED to the folder that has it", tool.display());
        }
        let tool = tool.canonicalize()?;
        Ok(Oracle { process: Process::start(&tool)?, tool })
    }

    /// Returns an answer to each case; `None` where Helm crashed, hung or could not repeat itself.
    pub fn ask(&mut self, cases: &[Case]) -> Result<Vec<Option<String>>> {
        let mut answers = Vec::with_capacity(cases.len());
        while answers.len() < cases.len() {
            let found = self.process.exchange(&cases[answers.len()..])?;
            let all = found.len();
            answers.extend(found);
            if answers.len() < cases.len() {
                // Go does not survive some inputs. The one after the last answer was too much.
                answers.push(None);
                self.process = Process::start(&self.tool)?;
                if all == 0 && answers.iter().filter(|answer| answer.is_none()).count() > 8 {
                    bail!("Helm's SDK dies on everything");
                }
            }
        }
        Ok(answers)
    }
}

/// Is one run of the program. It ends with everything that it started and wrote.
struct Process {
    child: Child,
    questions: Sender<String>,
    answers: Receiver<String>,
    _folder: TempDir,
}

impl Process {
    fn start(tool: &Path) -> Result<Process> {
        let folder = TempDir::with_prefix("differential-oracle-").context("a temporary folder")?;
        let mut command = Command::new("python3");
        command.args(["-c", PROGRAM]).arg(tool).arg(folder.path());
        command.env("TZ", "UTC").env("PYTHONDONTWRITEBYTECODE", "1").env("TMPDIR", folder.path());
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("python3 cannot be run")?;
        let input = child.stdin.take().context("the oracle reads")?;
        let output = child.stdout.take().context("the oracle writes")?;
        let (questions, asked) = channel();
        let (answered, answers) = channel();
        // Both threads end with the process, or with this value.
        thread::spawn(move || write(input, &asked));
        thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| answered.send(line)));
        let process = Process { child, questions, answers, _folder: folder };
        process.answers.recv_timeout(INSTALLATION).context("Helm's SDK does not start")?;
        Ok(process)
    }

    /// Returns the answers up to the first case that Helm does not answer.
    fn exchange(&self, cases: &[Case]) -> Result<Vec<Option<String>>> {
        // Where nobody reads any more, nobody answers either.
        let _process_is_gone = cases.iter().try_for_each(|case| self.questions.send(format!("{}\n", question(case))));
        let answers = cases.iter().map_while(|_| self.answers.recv_timeout(PATIENCE).ok());
        answers.map(|line| read(&line)).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that hangs does not see its input end, and neither does what it started.
        let group = format!("-{}", self.child.id());
        let _already_gone = Command::new("kill").args(["-9", "--", &group]).stderr(Stdio::null()).status();
        let _already_gone = self.child.wait();
    }
}

fn write(mut input: impl Write, questions: &Receiver<String>) {
    for question in questions {
        if input.write_all(question.as_bytes()).and_then(|()| input.flush()).is_err() {
            return;
        }
    }
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
