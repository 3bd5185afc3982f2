//! Work that two threads may share. Nothing here starts one: the caller knows whether there is a second.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Is what the caller's thread does.
pub type First<'a> = &'a mut dyn FnMut();

/// Is what another thread does, if there is one.
pub type Second<'a> = &'a mut (dyn FnMut() + Send);

/// Runs both, at the same time where that is possible. The first must not wait for the second, which may begin when it has ended.
pub type Both = fn(First<'_>, Second<'_>);

/// Runs one half after the other, where there are no threads.
pub fn in_turn(first: First<'_>, second: Second<'_>) {
    first();
    second();
}

/// Does the work on every item and returns the results in the order of the items. The halves that `both` runs take the next item
/// whenever they are free; each has a state of its own.
pub fn each<S: Send, T: Sync, R: Send>(
    items: &[T],
    both: &mut dyn FnMut(First<'_>, Second<'_>),
    [mut one, mut other]: [S; 2],
    work: impl Fn(&mut S, &T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = |state: &mut S| {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return done };
            done.push((at, work(state, item)));
        }
    };
    let (mut done, mut others) = (Vec::new(), Vec::new());
    both(&mut || done = take(&mut one), &mut || others = take(&mut other));
    done.append(&mut others);
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_threads(first: First<'_>, second: Second<'_>) {
        std::thread::scope(|scope| {
            scope.spawn(second);
            first();
        });
    }

    #[test]
    fn keeps_the_order() {
        let items: Vec<usize> = (0..1000).collect();
        for mut both in [in_turn as Both, in_threads] {
            let results = each(&items, &mut both, [0, 0], |seen, item| {
                *seen += 1;
                (item * 2, *seen)
            });
            assert!(results.iter().enumerate().all(|(at, (double, seen))| *double == at * 2 && *seen <= at + 1));
            assert_eq!(results.len(), items.len());
        }
    }
}
