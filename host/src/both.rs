//! The second thread of a command that ends soon.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use helm::both::{self, First, Second};

use crate::heap;

/// As much as the first thread has.
const STACK: usize = 8 << 20;

/// How long the second thread stays awake when it has nothing to do: longer than the first is alone. To wake a processor up takes up to
/// milliseconds where it is a virtual one, which is a tenth of a render each time.
const AWAKE: Duration = Duration::from_millis(3);

type Outcome = thread::Result<()>;

/// The second thread, as its users see it.
struct Worker {
    halves: Sender<Second<'static>>,
    outcomes: Receiver<Outcome>,
}

static WORKER: OnceLock<Option<Mutex<Worker>>> = OnceLock::new();

/// Starts the second thread, which takes a while, before there is anything to do for it.
pub fn get_ready() {
    WORKER.get_or_init(start);
}

/// Runs both halves at the same time; where there is no second processor, or its thread is in use, one after the other.
pub fn in_threads(first: First<'_>, second: Second<'_>) {
    let Some(worker) = WORKER.get_or_init(start).as_ref().and_then(|worker| worker.try_lock().ok()) else {
        return both::in_turn(first, second);
    };
    // SAFETY: only the lifetime is another. Whether the first half panics or not, this function does not end before the worker has said
    // that it is done with the second, or is no more.
    let second = unsafe { std::mem::transmute::<Second<'_>, Second<'static>>(second) };
    let sent = worker.halves.send(second);
    let outcome = catch_unwind(AssertUnwindSafe(&mut *first));
    let other = match sent {
        Ok(()) => worker.outcomes.recv().unwrap_or_else(|gone| Err(Box::new(gone))),
        Err(unsent) => catch_unwind(AssertUnwindSafe(unsent.0)),
    };
    drop(worker);
    outcome.and(other).unwrap_or_else(|panic| resume_unwind(panic));
}

fn start() -> Option<Mutex<Worker>> {
    if thread::available_parallelism().is_ok_and(|processors| processors.get() < 2) {
        return None;
    }
    let (halves, received) = mpsc::channel();
    let (say, outcomes) = mpsc::channel();
    thread::Builder::new().stack_size(STACK).spawn(move || work(&received, &say)).ok()?;
    Some(Mutex::new(Worker { halves, outcomes }))
}

fn work(halves: &Receiver<Second<'static>>, outcomes: &Sender<Outcome>) {
    heap::for_second_thread();
    while let Some(half) = next(halves) {
        if outcomes.send(catch_unwind(AssertUnwindSafe(half))).is_err() {
            return;
        }
    }
}

/// Waits for the next half, awake at first.
fn next(halves: &Receiver<Second<'static>>) -> Option<Second<'static>> {
    let since = Instant::now();
    while since.elapsed() < AWAKE {
        match halves.try_recv() {
            Ok(half) => return Some(half),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => thread::yield_now(),
        }
    }
    halves.recv().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_both_again_and_again() {
        for number in 0..100 {
            let (mut one, mut other) = (0, 0);
            in_threads(&mut || one = number, &mut || other = number);
            assert_eq!((one, other), (number, number));
            if number == 50 {
                thread::sleep(2 * AWAKE);
            }
        }
    }

    #[test]
    fn runs_halves_of_halves() {
        let (mut inner, mut other) = (0, 0);
        let mut halve = || in_threads(&mut || inner += 1, &mut || other += 1);
        in_threads(&mut halve, &mut || ());
        assert_eq!((inner, other), (1, 1));
    }

    #[test]
    fn hands_panics_on() {
        let panics = |first: First<'_>, second: Second<'_>| {
            let panic = catch_unwind(AssertUnwindSafe(|| in_threads(first, second))).expect_err("a panic");
            assert_eq!(panic.downcast_ref(), Some(&"half"));
        };
        // Whichever half panics, nothing of the other goes on behind the back of the caller.
        let (mut begun, mut ended) = (false, false);
        panics(&mut || panic!("half"), &mut || {
            begun = true;
            thread::sleep(AWAKE);
            ended = true;
        });
        assert_eq!(begun, ended);
        panics(&mut || (), &mut || panic!("half"));
        in_threads(&mut || (), &mut || ());
    }
}
