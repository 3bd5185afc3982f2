//! What expressions do with a value, as `fluxcd/pkg/envsubst` 1.7.1 (`funcs.go`) does it: lengths and offsets count bytes.

use super::pattern;

/// Applies an operator to a value. The error says what would take too long.
pub(super) fn apply(operator: &str, value: &[u8], arguments: &[Vec<u8>]) -> Result<Vec<u8>, String> {
    let argument = |at: usize| arguments.get(at).map_or(&[][..], Vec::as_slice);
    Ok(match (operator, arguments.len()) {
        ("#", 0) => value.len().to_string().into_bytes(),
        (",", _) => first(value, lower),
        (",,", _) => text(value).chars().map(lower).collect::<String>().into_bytes(),
        ("^", _) => first(value, upper),
        ("^^", _) => text(value).chars().map(upper).collect::<String>().into_bytes(),
        ("#", _) => pattern::cut(value, argument(0), false)?,
        ("##", _) => pattern::cut(value, argument(0), true)?,
        ("%", _) => reversed(&pattern::cut(&reversed(value), &reversed(argument(0)), false)?),
        ("%%", _) => reversed(&pattern::cut(&reversed(value), &reversed(argument(0)), true)?),
        (":", _) => part(value, arguments).to_vec(),
        ("/", _) => replaced(value, argument(0), argument(1), 1),
        ("//", _) => replaced(value, argument(0), argument(1), usize::MAX),
        ("/#", 2) if value.starts_with(argument(0)) => replaced(value, argument(0), argument(1), 1),
        ("/%", 2) if value.ends_with(argument(0)) => [&value[..value.len() - argument(0).len()], argument(1)].concat(),
        ("/#" | "/%", _) => value.to_vec(),
        _ if value.is_empty() => arguments.concat(),
        _ => value.to_vec(),
    })
}

/// Returns whether an operator says what an unset variable stands for.
pub(super) fn is_default(operator: &str) -> bool {
    matches!(operator, "=" | ":-" | ":+" | ":=" | ":?")
}

fn text(value: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(value)
}

/// Go changes each character by itself: `ß` has no upper case.
fn upper(c: char) -> char {
    single(c, c.to_uppercase())
}

fn lower(c: char) -> char {
    single(c, c.to_lowercase())
}

fn single(c: char, mut changed: impl ExactSizeIterator<Item = char>) -> char {
    if changed.len() == 1 { changed.next().unwrap_or(c) } else { c }
}

fn first(value: &[u8], change: fn(char) -> char) -> Vec<u8> {
    let value = text(value);
    let mut chars = value.chars();
    chars.next().map_or_else(Vec::new, |c| format!("{}{}", change(c), chars.as_str()).into_bytes())
}

fn reversed(value: &[u8]) -> Vec<u8> {
    text(value).chars().rev().collect::<String>().into_bytes()
}

/// Cuts `offset` or `offset:length` out of a value; negative ones count from the end, and what is no number counts as absent.
fn part<'a>(value: &'a [u8], arguments: &[Vec<u8>]) -> &'a [u8] {
    let number = |at: usize| arguments.get(at).map(|text| std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok()));
    let size = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let (Some(Some(offset)), length) = (number(0), number(1)) else { return value };
    let start = if offset < 0 { (size + offset).max(0) } else { offset };
    let end = match length {
        None => size,
        Some(None) => return value,
        Some(Some(length)) if length < 0 => size.saturating_add(length),
        Some(Some(length)) => start.saturating_add(length).min(size),
    };
    let (start, end) = (usize::try_from(start).unwrap_or(usize::MAX), usize::try_from(end).unwrap_or(0));
    value.get(start..end).unwrap_or(&[])
}

fn replaced(value: &[u8], old: &[u8], new: &[u8], mut times: usize) -> Vec<u8> {
    if old.is_empty() {
        return between(value, new, times);
    }
    let (mut out, mut rest) = (Vec::with_capacity(value.len()), value);
    while times > 0 {
        let Some(at) = rest.windows(old.len()).position(|window| window == old) else { break };
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(new);
        rest = &rest[at + old.len()..];
        times -= 1;
    }
    out.extend_from_slice(rest);
    out
}

/// To Go nothing is before every character, and at the end.
fn between(value: &[u8], new: &[u8], times: usize) -> Vec<u8> {
    let value = text(value);
    let mut out = Vec::new();
    for (index, c) in value.chars().map(Some).chain([None]).enumerate() {
        out.extend_from_slice(if index < times { new } else { &[] });
        out.extend(c.into_iter().flat_map(|c| c.to_string().into_bytes()));
    }
    out
}
