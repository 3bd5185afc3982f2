//! Patterns with `*`, `?` and classes of characters, as `fluxcd/pkg/envsubst` (`path/match.go`) matches them: `*` goes beyond slashes.

/// How many steps removing a pattern may take.
const MAX_STEPS: usize = 1 << 28;

/// A pattern is broken.
struct Broken;

/// Removes the shortest or longest start of a value that a pattern matches; a broken pattern removes nothing.
pub(super) fn cut(value: &[u8], pattern: &[u8], longest: bool) -> Result<Vec<u8>, String> {
    if value.len().saturating_mul(value.len()).saturating_mul(pattern.len().max(1)) > MAX_STEPS {
        return Err("the value is too long for a pattern".to_string());
    }
    let mut found = 0;
    for end in (1..=value.len()).rev() {
        match matches(pattern, &value[..end]) {
            Err(Broken) => return Ok(value.to_vec()),
            Ok(true) => found = end,
            Ok(false) => continue,
        }
        if longest {
            break;
        }
    }
    Ok(value[found..].to_vec())
}

/// Returns whether a pattern fits the whole of a name; nothing if it is broken.
pub(crate) fn fits(pattern: &[u8], name: &[u8]) -> Option<bool> {
    matches(pattern, name).ok()
}

fn matches(mut pattern: &[u8], mut name: &[u8]) -> Result<bool, Broken> {
    'pattern: while !pattern.is_empty() {
        let (star, chunk, rest) = chunk(pattern);
        pattern = rest;
        if star && chunk.is_empty() {
            return Ok(true);
        }
        if let Some(left) = at_start(chunk, name)?.filter(|left| left.is_empty() || !pattern.is_empty()) {
            name = left;
            continue;
        }
        for skipped in 1..=if star { name.len() } else { 0 } {
            if let Some(left) = at_start(chunk, &name[skipped..])?.filter(|left| !pattern.is_empty() || left.is_empty()) {
                name = left;
                continue 'pattern;
            }
        }
        return Ok(false);
    }
    Ok(name.is_empty())
}

/// Returns whether a pattern starts with `*`, what comes then without another one, and the rest.
fn chunk(pattern: &[u8]) -> (bool, &[u8], &[u8]) {
    let stars = pattern.iter().take_while(|byte| **byte == b'*').count();
    let pattern = &pattern[stars..];
    let (mut at, mut in_class) = (0, false);
    while at < pattern.len() {
        match pattern[at] {
            b'\\' => at += usize::from(at + 1 < pattern.len()),
            b'[' => in_class = true,
            b']' => in_class = false,
            b'*' if !in_class => break,
            _ => {}
        }
        at += 1;
    }
    (stars > 0, &pattern[..at], &pattern[at..])
}

/// Matches a chunk with the start of a name, and returns what is left of it.
fn at_start<'a>(mut chunk: &[u8], mut name: &'a [u8]) -> Result<Option<&'a [u8]>, Broken> {
    while let Some(first) = chunk.first() {
        if name.is_empty() {
            return Ok(None);
        }
        match first {
            b'[' => {
                let (c, length) = character(name);
                name = &name[length..];
                let (is_in, rest) = class(&chunk[1..], c)?;
                chunk = rest;
                if !is_in {
                    return Ok(None);
                }
            }
            b'?' => {
                name = &name[character(name).1..];
                chunk = &chunk[1..];
            }
            _ => {
                let literal = if *first == b'\\' { &chunk[1..] } else { chunk };
                let Some(wanted) = literal.first() else { return Err(Broken) };
                if *wanted != name[0] {
                    return Ok(None);
                }
                (name, chunk) = (&name[1..], &literal[1..]);
            }
        }
    }
    Ok(Some(name))
}

/// Returns whether a character is in the class that starts after `[`, and what follows the class.
fn class(chunk: &[u8], c: u32) -> Result<(bool, &[u8]), Broken> {
    let negated = chunk.first() == Some(&b'^');
    let (mut rest, mut is_in, mut count) = (&chunk[usize::from(negated)..], false, 0);
    loop {
        if count > 0 && rest.first() == Some(&b']') {
            return Ok((is_in != negated, &rest[1..]));
        }
        let (low, after) = bound(rest)?;
        let (high, after) = if after.first() == Some(&b'-') { bound(&after[1..])? } else { (low, after) };
        is_in |= (low..=high).contains(&c);
        rest = after;
        count += 1;
    }
}

fn bound(chunk: &[u8]) -> Result<(u32, &[u8]), Broken> {
    let chunk = match chunk.first() {
        None | Some(b'-' | b']') => return Err(Broken),
        Some(b'\\') => &chunk[1..],
        _ => chunk,
    };
    let (c, length) = character(chunk);
    // A class must end somewhere.
    match chunk.get(length..).filter(|rest| length > 0 && !rest.is_empty()) {
        Some(rest) => Ok((c, rest)),
        None => Err(Broken),
    }
}

/// Returns the first character and its length; a byte that is none counts as one.
fn character(text: &[u8]) -> (u32, usize) {
    let valid = text.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
    valid.map_or((u32::from(char::REPLACEMENT_CHARACTER), text.len().min(1)), |c| (u32::from(c), c.len_utf8()))
}
