//! Processes that end with their owner.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Ends what it was told of once its owner is gone, even by a signal: its input ends then.
const WATCHDOG: &str =
    r#"trap '' INT TERM; while read -r id; do ids="$ids -$id"; done; [ -z "$ids" ] || kill -9 $ids 2>/dev/null; rm -rf -- "$1""#;
/// Starts a program again whenever it ends, as a kubelet would.
const RESTARTED: &str = r#"while :; do "$@"; sleep 0.5; done"#;

/// A folder for what they keep, and the processes that run in it.
pub(crate) struct Processes {
    folder: PathBuf,
    watchdog: Mutex<(Child, Option<ChildStdin>)>,
    running: Mutex<Vec<(String, Child)>>,
}

impl Processes {
    /// Makes the folder. What is in its `data` goes with the owner in any case; logs stay where a test fails.
    pub(crate) fn new() -> Result<Processes> {
        let folder = tempfile::Builder::new().prefix("launchway-real-").tempdir().context("a temporary folder")?.keep();
        fs::create_dir_all(folder.join("data"))?;
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(folder.join("data"))
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("cannot run sh")?;
        let input = watchdog.stdin.take();
        Ok(Processes { folder, watchdog: Mutex::new((watchdog, input)), running: Mutex::default() })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the path of what does not outlive the owner.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.folder.join("data").join(name)
    }

    /// Starts a program; what it prints goes to `NAME.log`.
    pub(crate) fn start(&self, name: &str, mut command: Command) -> Result<()> {
        let log = File::create(self.folder.join(format!("{name}.log")))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
        let mut watchdog = self.watchdog.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(input) = &mut watchdog.1 {
            writeln!(input, "{}", child.id())?;
        }
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push((name.into(), child));
        Ok(())
    }

    /// Starts a program that is started again whenever it ends.
    pub(crate) fn keep_running(&self, name: &str, command: &Command) -> Result<()> {
        let mut shell = Command::new("sh");
        shell.args(["-c", RESTARTED, name]).arg(command.get_program()).args(command.get_args());
        shell.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        self.start(name, shell)
    }

    /// Ends a program at once, with all it started.
    pub(crate) fn kill(&self, name: &str) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let (ended, left) = running.drain(..).partition(|(known, _)| known == name);
        *running = left;
        end(ended);
    }

    /// Waits until something is so; fails early when a program has ended.
    pub(crate) fn wait(&self, what: &str, timeout: Duration, mut holds: impl FnMut() -> bool) -> Result<()> {
        let started = Instant::now();
        while !holds() {
            if let Some(name) = self.ended() {
                bail!("{name} ended while waiting for {what}:\n{}", self.tail(&name));
            }
            if started.elapsed() > timeout {
                bail!("waited {timeout:?} for {what}; logs are in {}", self.folder.display());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn ended(&self) -> Option<String> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ended = running.iter_mut().filter_map(|(name, child)| matches!(child.try_wait(), Ok(Some(_))).then_some(name));
        ended.next().cloned()
    }

    /// Returns the last lines that a program printed.
    pub(crate) fn tail(&self, name: &str) -> String {
        let text = fs::read_to_string(self.folder.join(format!("{name}.log"))).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        end(self.running.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..).collect());
        let (watchdog, input) = self.watchdog.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(input.take());
        // It has nothing left to end; without waiting it would stay a zombie as long as the tests run.
        let _ = watchdog.wait();
        if std::thread::panicking() {
            eprintln!("logs are in {}", self.folder.display());
        } else {
            // A folder that stays behind is no failure of the test.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Ends groups of processes. Those that lose their API server would linger on a gentle signal.
fn end(processes: Vec<(String, Child)>) {
    if processes.is_empty() {
        return;
    }
    let groups = processes.iter().map(|(_, child)| format!("-{}", child.id()));
    // What has ended already cannot be ended again: there is nothing to do about it.
    let _ = Command::new("kill").args(["-9", "--"]).args(groups).stderr(Stdio::null()).status();
    for (_, mut child) in processes {
        let _ = child.wait();
    }
}
