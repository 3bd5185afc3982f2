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

/// Tells whether something was left behind in this thread since it was asked last.
pub fn mattered() -> bool {
    MATTERS.take()
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
        mattered();
        let own = Map::new();
        own.set("a", Value::int(1));
        own.remove(b"a");
        own.set("inner", Value::Map(inner.clone()));
        assert!(!mattered());
        inner.set("b", Value::int(2));
        assert!(mattered());
        assert!(!mattered());
        outer.remove(b"inner");
        assert!(mattered());
        outer.remove(b"inner");
        assert!(!mattered(), "nothing was there to remove");
    }
}
