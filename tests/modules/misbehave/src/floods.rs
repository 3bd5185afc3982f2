//! Using more than the limits allow.

use std::hint::black_box;

use guest_sdk::export::bindings::launchway::bootstrap::{files, kubernetes};
use guest_sdk::{Host, Level, Result, Value};

/// Computes for ever.
pub fn spin() -> ! {
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

/// Computes for ever, with a short call of the host again and again.
pub fn spin_with_calls(host: &impl Host) -> ! {
    loop {
        for count in 0..10_000_u64 {
            black_box(count);
        }
        let _ = host.read_text("no-such-file");
    }
}

/// Allocates until it gets no more.
pub fn memory() -> ! {
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Calls itself without end.
#[expect(unconditional_recursion, reason = "this is what it is for")]
pub fn stack(depth: u64) -> u64 {
    let kept = black_box([depth; 16]);
    stack(depth + 1) + kept[0]
}

/// Writes more log lines than anybody reads.
pub fn log(host: &impl Host) -> Result<Value> {
    (0..100_000).for_each(|line| host.log(Level::Info, &format!("line {line}")));
    Ok(Value::Null)
}

/// Changes the note of an activity more often than anybody reads.
pub fn notes(host: &impl Host) -> Result<Value> {
    let activity = host.activity("flooding");
    (0..100_000).for_each(|line| activity.note(&format!("note {line}")));
    Ok(Value::Null)
}

/// Hands the host more than one call may carry.
pub fn huge_call(host: &impl Host) -> Result<Value> {
    host.log(Level::Info, &"x".repeat(24 << 20));
    Ok(Value::Null)
}

/// Opens handles and drops none.
pub fn handles() -> ! {
    loop {
        std::mem::forget(files::root("repository"));
    }
}

/// Lets the host keep one text after another.
pub fn held_manifests() -> ! {
    let text = "x".repeat(1 << 20);
    loop {
        std::mem::forget(kubernetes::Apply::new(&text));
    }
}

/// Lets the host keep one condition after another, behind a single handle.
pub fn held_conditions() -> ! {
    let wait = kubernetes::Wait::new();
    let object = kubernetes::ObjectRef { api_version: "v1".into(), kind: "ConfigMap".into(), namespace: None, name: "x".repeat(1 << 20) };
    loop {
        let _ = wait.until(&object, "exists");
    }
}
