//! What a component is made of, counted before it is compiled. The meter of a store counts memories and tables; what an instance needs for its
//! globals is allocated by the engine itself.

use wasmparser::{Instance, Parser, Payload};

use super::limits::MAX_INSTANCES;

/// Globals of all core modules together. Rust makes a handful; interpreters that are linked at run time have one a symbol.
const MAX_GLOBALS: u64 = 20_000;

/// Refuses a component with more parts than any module needs, in its own words.
pub fn check(component: &[u8]) -> Result<(), String> {
    let (mut instances, mut globals) = (0_u64, 0_u64);
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|error| format!("it is no component: {error}"))? {
            Payload::InstanceSection(section) => {
                // One that is made of exports is a name, and no instance.
                let made = section.into_iter().filter(|instance| matches!(instance, Ok(Instance::Instantiate { .. })));
                instances += made.count() as u64;
            }
            Payload::GlobalSection(section) => globals += u64::from(section.count()),
            _ => {}
        }
    }
    for (count, most, what) in [(instances, MAX_INSTANCES as u64, "core instances"), (globals, MAX_GLOBALS, "globals")] {
        if count > most {
            return Err(format!("it has {count} {what}, and a module may have {most}"));
        }
    }
    Ok(())
}
