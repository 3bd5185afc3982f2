//! Helm's wording of template errors (`reformatExecErrorMsg` and `cleanupParseError` of `pkg/engine/engine.go`).

use go_template::Fault;

use crate::compat::HelmCompat;

/// What `required` and `fail` put around their message.
pub(super) const START: &str = "HELM_ERR_START";
pub(super) const END: &str = "HELM_ERR_END";

/// Words a parse error: the place, and the last part of the message.
pub(super) fn parse(file: &str, text: &str) -> String {
    let mut parts = text.split(": ");
    match (parts.next(), parts.next(), text.rsplit(": ").next()) {
        (Some(_), Some(place), Some(last)) => format!("parse error at ({place}): {last}"),
        _ => format!("parse error in ({file}): {text}"),
    }
}

/// Words an error of an execution.
pub(super) fn execution(fault: &Fault, compat: &HelmCompat) -> String {
    let text = fault.to_string();
    if !matches!(fault, Fault::Exec(_)) {
        return text;
    }
    let mut parts = text.splitn(3, ": ");
    let (Some(_), Some(place), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return text;
    };
    // Both marks are searched greedily: the first start and the last end.
    if let Some(start) = rest.find(START)
        && let Some(end) = rest.rfind(END)
        && end >= start + START.len()
    {
        return format!("execution error at ({place}): {}", &rest[start + START.len()..end]);
    }
    if compat.lays_out_errors() { laid_out(fault).unwrap_or(text) } else { text }
}

/// One level of an error, taken apart.
#[derive(PartialEq)]
struct Level {
    place: String,
    executing: String,
    message: String,
}

/// Lays out every level on lines of its own, or gives up where one is worded differently.
fn laid_out(fault: &Fault) -> Option<String> {
    let mut levels: Vec<Level> = Vec::new();
    let mut current: Option<&(dyn std::error::Error + 'static)> = Some(fault);
    while let Some(error) = current {
        let level = level(&error.to_string())?;
        if levels.last() != Some(&level) {
            levels.push(level);
        }
        current = error.source();
    }
    let mut text = String::new();
    for Level { place, executing, message } in levels {
        for (part, end) in [(place, "\n  "), (executing, "\n    "), (message, "\n")] {
            if !part.is_empty() {
                text.push_str(&part);
                text.push_str(end);
            }
        }
    }
    Some(text.trim().to_owned())
}

fn level(text: &str) -> Option<Level> {
    let rest = text.strip_prefix("template: ")?;
    if rest.starts_with("no template ") {
        return Some(Level { place: String::new(), executing: String::new(), message: text.to_owned() });
    }
    if let Some((place, after)) = rest.split_once(": executing ")
        && let Some((function, after)) = after.strip_prefix('"').and_then(|after| after.split_once('"'))
        && let Some((node, message)) = after.strip_prefix(" at <").and_then(|after| after.split_once(">: "))
    {
        let executing = format!("executing \"{function}\" at <{node}>:");
        return Some(Level { place: place.to_owned(), executing, message: uncut(message) });
    }
    let (place, message) = rest.rsplit_once(": ")?;
    Some(Level { place: place.to_owned(), executing: String::new(), message: uncut(message) })
}

/// Leaves out the text of the next level.
fn uncut(message: &str) -> String {
    message.split(" template:").next().unwrap_or(message).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_parse_errors() {
        assert_eq!(parse("a", "template: c/a.yaml:3: bad number syntax: \"08\""), "parse error at (c/a.yaml:3): \"08\"");
        assert_eq!(parse("a", "odd"), "parse error in (a): odd");
    }

    #[test]
    fn takes_levels_apart() {
        let found =
            level("template: a:1:2: executing \"a\" at <include \"x: y\" .>: error calling include: template: b:1").expect("parses");
        assert_eq!((found.place.as_str(), found.message.as_str()), ("a:1:2", "error calling include:"));
        assert!(level("plain").is_none());
    }
}
