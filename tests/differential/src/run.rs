//! The loop: generate, ask both, compare, make smaller.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::options::Options;
use crate::random::Random;

/// How many inputs the other program is given at once.
const BATCH: usize = 64;

/// After how many differences it is pointless to go on.
const ENOUGH: usize = 40;

/// How often a reproduction may be tried smaller.
const ATTEMPTS: usize = 200;

/// How often both are asked before their answers count as different: the other may not repeat itself, and seconds pass.
const REPEATS: usize = 6;

/// Is one program to compare with.
pub trait Mode {
    /// One input for both.
    type Case: Clone + Sync;

    /// Makes an input; nothing but the choices of `random` decides it.
    fn generate(&self, random: &mut Random) -> Self::Case;

    /// Names what the input is about.
    fn topic(case: &Self::Case) -> &'static str;

    /// Returns what ours says; errors are text too.
    fn ours(case: &Self::Case) -> String;

    /// Returns what the other says to each; `None` where it cannot answer, because it crashed, say.
    fn theirs(&mut self, cases: &[Self::Case]) -> Result<Vec<Option<String>>>;

    /// Names what explains a difference that is none of ours to mend: an item of `COMPATIBILITY.md`, or the moment of asking.
    fn explanation(case: &Self::Case, ours: &str, theirs: &str) -> Option<&'static str>;

    /// Returns inputs that are a little smaller, the smallest first.
    fn smaller(case: &Self::Case) -> Vec<Self::Case>;

    /// Shows an input to a person.
    fn show(case: &Self::Case) -> String;
}

/// What was found so far.
#[derive(Default)]
struct Tally {
    /// How many inputs were made.
    number: u64,
    different: usize,
    compared: BTreeMap<&'static str, usize>,
    explained: BTreeMap<&'static str, usize>,
    unanswered: usize,
}

/// Compares until the time is over, prints what was found and returns the number of differences. Each mode works on its own: while
/// one of the other programs takes long, or hangs, the rest go on.
pub fn run<M: Mode + Send>(modes: &mut [M], options: &Options) -> Result<usize> {
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        let workers: Vec<_> = modes.iter_mut().map(|mode| scope.spawn(|| work(mode, options, end, &tally))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("what compares panicked"))?)
    })?;
    let tally = tally.into_inner().map_err(|_| anyhow!("what compares panicked"))?;
    let total: usize = tally.compared.values().sum();
    println!("{total} compared, {} different ({}; seed {})", tally.different, counts(&tally.compared), options.seed);
    if !tally.explained.is_empty() {
        println!("{} of them differ for known reasons: {}", tally.explained.values().sum::<usize>(), counts(&tally.explained));
    }
    if tally.unanswered > 0 {
        println!("{} more could not be compared: the other program crashed, hung or gave up", tally.unanswered);
    }
    Ok(tally.different)
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work<M: Mode>(mode: &mut M, options: &Options, end: Instant, tally: &Mutex<Tally>) -> Result<()> {
    while Instant::now() < end && lock(tally).different < ENOUGH {
        let cases = batch(mode, options, tally);
        for (case, ours, theirs) in both(mode, cases)? {
            let Some(theirs) = theirs else {
                lock(tally).unanswered += 1;
                continue;
            };
            *lock(tally).compared.entry(M::topic(&case)).or_default() += 1;
            if ours == theirs || !still_different(mode, &case)? {
                continue;
            }
            if let Some(reason) = M::explanation(&case, &ours, &theirs) {
                *lock(tally).explained.entry(reason).or_default() += 1;
                continue;
            }
            let (case, ours, theirs) = minimise(mode, case, ours, theirs)?;
            let mut tally = lock(tally);
            tally.different += 1;
            println!("-- difference {} ({})\n{}-- ours\n{ours}\n-- theirs\n{theirs}\n", tally.different, M::topic(&case), M::show(&case));
        }
    }
    Ok(())
}

/// Makes the next inputs.
fn batch<M: Mode>(mode: &M, options: &Options, tally: &Mutex<Tally>) -> Vec<M::Case> {
    let mut cases = Vec::new();
    let mut tally = lock(tally);
    while cases.len() < BATCH {
        tally.number += 1;
        let case = mode.generate(&mut Random::new(options.seed.wrapping_mul(1 << 32).wrapping_add(tally.number)));
        if options.only.as_deref().is_none_or(|topic| topic == M::topic(&case)) {
            cases.push(case);
        }
    }
    cases
}

fn counts(counted: &BTreeMap<&'static str, usize>) -> String {
    let parts: Vec<String> = counted.iter().map(|(name, count)| format!("{name} {count}")).collect();
    parts.join(", ")
}

/// Asks again: the two may agree at another time.
fn still_different<M: Mode>(mode: &mut M, case: &M::Case) -> Result<bool> {
    for _ in 0..REPEATS {
        let answers = both(mode, vec![case.clone()])?;
        if answers.into_iter().any(|(_, ours, theirs)| theirs.is_none_or(|theirs| theirs == ours)) {
            return Ok(false);
        }
    }
    Ok(true)
}

type Answers<C> = (C, String, Option<String>);

fn both<M: Mode>(mode: &mut M, cases: Vec<M::Case>) -> Result<Vec<Answers<M::Case>>> {
    // Both at once: the other is a process of its own.
    let (ours, theirs) = std::thread::scope(|scope| {
        let ours = scope.spawn(|| cases.iter().map(M::ours).collect::<Vec<String>>());
        let theirs = mode.theirs(&cases);
        (ours.join(), theirs)
    });
    let ours = ours.map_err(|_| anyhow!("what compares panicked"))?;
    Ok(cases.into_iter().zip(ours).zip(theirs?).map(|((case, ours), theirs)| (case, ours, theirs)).collect())
}

/// Tries smaller inputs as long as both still differ.
fn minimise<M: Mode>(mode: &mut M, mut case: M::Case, mut ours: String, mut theirs: String) -> Result<(M::Case, String, String)> {
    let mut attempts = 0;
    'smaller: while attempts < ATTEMPTS {
        for batch in M::smaller(&case).chunks(16) {
            attempts += batch.len();
            let found = both(mode, batch.to_vec())?.into_iter().find_map(|(case, ours, theirs)| {
                let theirs = theirs.filter(|theirs| *theirs != ours && M::explanation(&case, &ours, theirs).is_none())?;
                Some((case, ours, theirs))
            });
            if let Some(found) = found {
                (case, ours, theirs) = found;
                continue 'smaller;
            }
            if attempts >= ATTEMPTS {
                break;
            }
        }
        break;
    }
    Ok((case, ours, theirs))
}
