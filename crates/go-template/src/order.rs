//! Whether the order matters in which the templates of one render are executed. It does where one leaves something behind that another
//! may meet: a change of what all of them are given, or less of what the render has once, such as randomness.

use std::cell::Cell;

thread_local! {
    static IS_GIVEN: Cell<bool> = const { Cell::new(false) };
    static MATTERS: Cell<bool> = const { Cell::new(false) };
}

/// Makes what all templates are given: to change a map of it leaves something behind.
pub fn given<R>(make: impl FnOnce() -> R) -> R {
    let outer = IS_GIVEN.replace(true);
    let made = make();
    IS_GIVEN.set(outer);
    made
}

/// Tells whether what is made now is given to all templates.
pub(crate) fn is_given() -> bool {
    IS_GIVEN.get()
}

/// Notes that something was left behind.
pub fn matters() {
    MATTERS.set(true);
}

/// Runs something and tells whether it left anything behind.
pub fn watched<R>(run: impl FnOnce() -> R) -> (R, bool) {
    let outer = MATTERS.replace(false);
    let done = run();
    let left = MATTERS.get();
    MATTERS.set(outer || left);
    (done, left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Map, Value};

    #[test]
    fn only_changes_of_what_is_given_matter() {
        let (outer, inner) = given(|| {
            let (outer, inner) = (Map::new(), Map::new());
            outer.set("inner", Value::Map(inner.clone()));
            (outer, inner)
        });
        let matters = |change: &dyn Fn()| watched(change).1;
        assert!(!matters(&|| {
            let own = Map::new();
            own.set("a", Value::int(1));
            own.remove(b"a");
            own.set("inner", Value::Map(inner.clone()));
        }));
        let set = || {
            inner.set("b", Value::int(2));
        };
        let remove = || {
            outer.remove(b"inner");
        };
        assert!(matters(&set));
        assert!(matters(&remove));
        assert!(!matters(&remove), "nothing was there to remove");
        let (within, around) = watched(|| matters(&set));
        assert!(within && around);
    }
}
