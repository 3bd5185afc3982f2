//! Runs the steps: each as soon as its needs are done, all phases of a step in order, nothing new after a failure.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use wasmtime::component::Linker;

use crate::bindings::launchway::bootstrap::types;
use crate::capability::Powers;
use crate::failure::{Blame, Failure};
use crate::module::{Fault, Phase, StepState};
use crate::plan::PlannedStep;
use crate::report::{Event, Reporter, Row, StepReporter};

/// What every step gets beside its gate.
pub struct Run {
    pub linker: Linker<StepState>,
    pub reporter: Reporter,
    /// Makes the powers of a step.
    pub powers: Box<PowersOf>,
}

/// From a step, its reporter, its deadline and the counter of its computing time, in nanoseconds, to its powers.
pub type PowersOf = dyn Fn(&PlannedStep, StepReporter, Instant, Arc<AtomicU64>) -> Powers + Send + Sync;

/// How the steps ended.
pub struct Outcome {
    /// In the order of the manifest.
    pub rows: Vec<Row>,
    /// Who has to act on the first failure.
    pub failed: Option<Blame>,
}

/// Runs all steps.
pub async fn run(run: Arc<Run>, steps: Vec<Arc<PlannedStep>>) -> Outcome {
    let mut waiting: Vec<usize> = (0..steps.len()).collect();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let mut rows: Vec<Option<Row>> = vec![None; steps.len()];
    let mut failed: Option<(Blame, String)> = None;
    let mut running = JoinSet::new();
    loop {
        if failed.is_none() {
            let free = |index: &usize| steps[*index].step.needs.iter().all(|need| done.contains(need.as_str()));
            let (start, rest): (Vec<usize>, Vec<usize>) = waiting.into_iter().partition(free);
            waiting = rest;
            for index in start {
                let (run, step) = (run.clone(), steps[index].clone());
                running.spawn(async move { (index, run_step(&run, &step).await) });
            }
        }
        let Some(finished) = running.join_next().await else { break };
        match finished {
            Ok((index, (row, blame))) => {
                match blame {
                    None => {
                        done.insert(&steps[index].step.name);
                    }
                    Some(blame) => failed = failed.or(Some((blame, steps[index].step.name.clone()))),
                }
                rows[index] = Some(row);
            }
            Err(error) => {
                run.reporter.event(&Event::Warning { message: &format!("a step stopped: {error}") });
                failed = failed.or(Some((Blame::Bug, "a step".into())));
            }
        }
    }
    for index in waiting {
        let step = &steps[index];
        let because = failed.as_ref().map(|(_, name)| format!("step {name} failed")).unwrap_or_default();
        run.reporter.event(&Event::StepSkipped { step: &step.step.name, because: &because });
        rows[index] = Some(row(step, &run.reporter.step(&step.step.name), None, "not started"));
    }
    let rows = rows
        .into_iter()
        .zip(&steps)
        .map(|(found, step)| found.unwrap_or_else(|| row(step, &run.reporter.step(&step.step.name), None, "failed")));
    Outcome { rows: rows.collect(), failed: failed.map(|(blame, _)| blame) }
}

async fn run_step(run: &Run, planned: &PlannedStep) -> (Row, Option<Blame>) {
    let step = &planned.step;
    let reporter = run.reporter.step(&step.name);
    let release = step.release.as_ref().map(ToString::to_string);
    reporter.event(&Event::StepStarted { step: &step.name, module: &planned.module.title(), release: release.as_deref() });
    let started = Instant::now();
    let spent = Arc::new(AtomicU64::new(0));
    let powers = (run.powers)(planned, reporter.clone(), started + planned.timeout(), spent.clone());
    match phases(run, planned, &powers).await {
        Ok(()) => {
            let wrote = reporter.tally().counts.iter().any(|(action, count)| *action != kube_engine::Action::Unchanged && *count > 0);
            let row = row(planned, &reporter, Some(started.elapsed()), if wrote { "done" } else { "unchanged" });
            let cpu = Duration::from_nanos(spent.load(Ordering::Relaxed));
            reporter.event(&Event::StepFinished { row: &row, cpu });
            (row, None)
        }
        Err(failure) => {
            let row = row(planned, &reporter, Some(started.elapsed()), "failed");
            reporter.event(&Event::StepFailed {
                row: &row,
                blame: failure.blame.as_str(),
                message: &failure.message,
                hints: &failure.hints,
            });
            (row, Some(failure.blame))
        }
    }
}

async fn phases(run: &Run, planned: &PlannedStep, powers: &Powers) -> Result<(), Failure> {
    for phase in Phase::ALL {
        let started = Instant::now();
        let name = phase.as_str();
        powers.reporter.event(&Event::PhaseStarted { step: &planned.step.name, phase: name });
        // The waits inside end by themselves, say why, and leave a record: the clock around them only catches what they cannot. What
        // failed may take as long again to be rolled back.
        let left = powers.time_left();
        let (params, timeout) = (planned.params(left), left.saturating_mul(2) + Duration::from_secs(15));
        let outcome = planned.module.run(&run.linker, phase, &params, powers.clone(), planned.limits, timeout).await;
        outcome.map_err(|fault| match fault {
            Fault::Said(said) => said_failure(name, &said, planned.step.timeout.is_some()),
            Fault::Broke(failure) => failure,
        })?;
        powers.reporter.event(&Event::PhaseFinished { step: &planned.step.name, phase: name, took: started.elapsed() });
    }
    Ok(())
}

/// Finds out who has to act on a module's failure, of a step that the manifest gives a time or does not.
fn said_failure(phase: &str, said: &types::Failure, is_timed: bool) -> Failure {
    let message = format!("{phase}: {}", said.message);
    match said.code.as_str() {
        "denied" => Failure::module(message)
            .hint("if the step should be allowed to do this, the module has to request it and the manifest to grant it"),
        "limit" => Failure::module(message),
        "invalid" | "not-found" | "already-exists" | "unsupported" => Failure::user(message),
        "timeout" if is_timed => Failure::cluster(message)
            .hint("raise `timeout:` of the step if it only needs longer, and run again: what is done is not done twice"),
        "timeout" => Failure::cluster(message).hint(
            "give the step a `timeout:` if it only needs longer, which goes before that of its HelmRelease, and run again: what is done is not done twice",
        ),
        "internal" => Failure::bug(message),
        _ => Failure::cluster(message),
    }
}

fn row(planned: &PlannedStep, reporter: &StepReporter, time: Option<Duration>, result: &'static str) -> Row {
    let tally = reporter.tally();
    Row {
        step: planned.step.name.clone(),
        release: planned.step.release.as_ref().map(ToString::to_string),
        chart: tally.chart.or_else(|| planned.release.as_ref().map(|release| release.chart_title())),
        revision: tally.revision,
        counts: tally.counts,
        time,
        result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_says_whom_a_code_blames() {
        let contract = include_str!("../../docs/src/authors/contract.md");
        let rows = contract.lines().filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let code = cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?;
            Some((code, *cells.get(3)?)).filter(|(_, blamed)| blamed.starts_with("the "))
        });
        let rows: Vec<(&str, &str)> = rows.collect();
        assert!(rows.len() > 10, "{rows:?}");
        for (code, blamed) in rows.into_iter().chain([("what-a-module-says", "the cluster")]) {
            let said = types::Failure { code: code.into(), message: String::new(), retryable: false, details: None };
            let word = match said_failure("install", &said, true).blame {
                Blame::Bug => "program",
                blame => blame.as_str(),
            };
            assert_eq!(format!("the {word}"), blamed, "{code}");
        }
    }
}
