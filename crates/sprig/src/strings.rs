//! String functions. Strings are bytes, as in Go; where Go works on runes, invalid bytes become U+FFFD as there.

use go_template::{Call, Fault, Func, ListKind, Map, MapKind, Outcome, Str, Type, Value, fixed, quote, variadic};
use memchr::memmem;

use crate::args::{bytes, fail, func, int, string, strings, strslice, strval};
use crate::words;

use Type::{Any, Int, String as Text};

pub(crate) const FUNCS: &[Func] = &[
    func("abbrev", fixed(&[Int, Text]), |_, a| string(abbreviate(bytes(a, 1), 0, int(a, 0)))),
    func("abbrevboth", fixed(&[Int, Int, Text]), abbrevboth),
    func("camelcase", fixed(&[Text]), |_, a| string(words::pascal_case(&runes(bytes(a, 0))))),
    func("cat", variadic(&[], Any), cat),
    func("contains", fixed(&[Text, Text]), |_, a| Ok(Value::Bool(memmem::find(bytes(a, 1), bytes(a, 0)).is_some()))),
    func("getHostByName", fixed(&[Text]), |_, _| string("")),
    func("hasPrefix", fixed(&[Text, Text]), |_, a| Ok(Value::Bool(bytes(a, 1).starts_with(bytes(a, 0))))),
    func("hasSuffix", fixed(&[Text, Text]), |_, a| Ok(Value::Bool(bytes(a, 1).ends_with(bytes(a, 0))))),
    func("hello", fixed(&[]), |_, _| string("Hello!")),
    func("indent", fixed(&[Int, Text]), |call, a| indent(call, a, "")),
    func("initials", fixed(&[Text]), |_, a| string(initials(bytes(a, 0)))),
    func("join", fixed(&[Text, Any]), join),
    func("kebabcase", fixed(&[Text]), |_, a| string(words::lower_case(&runes(bytes(a, 0)), '-'))),
    func("lower", fixed(&[Text]), |_, a| string(map_runes(bytes(a, 0), words::to_lower))),
    func("nindent", fixed(&[Int, Text]), |call, a| indent(call, a, "\n")),
    func("nospace", fixed(&[Text]), |_, a| string(nospace(bytes(a, 0)))),
    func("plural", fixed(&[Text, Text, Int]), |_, a| Ok(a[usize::from(int(a, 2) != 1)].clone())),
    func("quote", variadic(&[], Any), |_, a| quoted(a, |value| Ok(quote::quote(&strval(value)?).into_bytes()))),
    func("repeat", fixed(&[Int, Text]), repeat),
    func("replace", fixed(&[Text, Text, Text]), replace),
    func("snakecase", fixed(&[Text]), |_, a| string(words::lower_case(&runes(bytes(a, 0)), '_'))),
    func("sortAlpha", fixed(&[Any]), sort_alpha),
    func("split", fixed(&[Text, Text]), |_, a| Ok(numbered(split(bytes(a, 1), bytes(a, 0), -1)))),
    func("splitList", fixed(&[Text, Text]), |_, a| strings(split(bytes(a, 1), bytes(a, 0), -1))),
    func("splitn", fixed(&[Text, Int, Text]), |_, a| Ok(numbered(split(bytes(a, 2), bytes(a, 0), int(a, 1))))),
    func("squote", variadic(&[], Any), |_, a| quoted(a, |value| Ok([b"'", &*strval_plain(value)?, b"'"].concat()))),
    func("substr", fixed(&[Int, Int, Text]), substr),
    func("swapcase", fixed(&[Text]), |_, a| string(words::swap_case(&runes(bytes(a, 0))))),
    func("title", fixed(&[Text]), |_, a| string(words::title(&runes(bytes(a, 0))))),
    func("toString", fixed(&[Any]), |_, a| Ok(Value::Str(strval(&a[0])?))),
    func("toStrings", fixed(&[Any]), |call, a| if is_no_list(&a[0]) { Ok(a[0].clone()) } else { strings(texts(call, &a[0])?) }),
    func("trim", fixed(&[Text]), |_, a| string(trim_space(bytes(a, 0)))),
    func("trimAll", fixed(&[Text, Text]), |_, a| string(trim_set(bytes(a, 1), bytes(a, 0)))),
    func("trimPrefix", fixed(&[Text, Text]), |_, a| string(bytes(a, 1).strip_prefix(bytes(a, 0)).unwrap_or(bytes(a, 1)))),
    func("trimSuffix", fixed(&[Text, Text]), |_, a| string(bytes(a, 1).strip_suffix(bytes(a, 0)).unwrap_or(bytes(a, 1)))),
    func("trimall", fixed(&[Text, Text]), |_, a| string(trim_set(bytes(a, 1), bytes(a, 0)))),
    func("trunc", fixed(&[Int, Text]), |_, a| string(trunc(bytes(a, 1), int(a, 0)))),
    func("untitle", fixed(&[Text]), |_, a| string(words::untitle(&runes(bytes(a, 0))))),
    func("upper", fixed(&[Text]), |_, a| string(map_runes(bytes(a, 0), words::to_upper))),
    func("wrap", fixed(&[Int, Text]), |_, a| string(wrap(bytes(a, 1), int(a, 0), b"", false))),
    func("wrapWith", fixed(&[Int, Text, Text]), |_, a| string(wrap(bytes(a, 2), int(a, 0), bytes(a, 1), true))),
];

/// Decodes into characters; invalid bytes become U+FFFD.
pub(crate) fn runes(text: &[u8]) -> Vec<char> {
    quote::chars(text).map(|(c, _)| c.unwrap_or('\u{fffd}')).collect()
}

fn map_runes(text: &[u8], change: fn(char) -> char) -> Vec<u8> {
    runes(text).into_iter().map(change).collect::<String>().into_bytes()
}

fn strval_plain(value: &Value) -> Result<Str, Fault> {
    match value {
        Value::Str(text) => Ok(text.clone()),
        other => go_template::fmt::sprint(std::slice::from_ref(other)).map(Str::from).map_err(|error| Fault::Text(error.to_string())),
    }
}

fn quoted(args: &[Value], one: impl Fn(&Value) -> Result<Vec<u8>, Fault>) -> Outcome {
    let parts = args.iter().filter(|arg| !arg.is_nil()).map(one).collect::<Result<Vec<_>, _>>()?;
    string(parts.join(&b' '))
}

fn cat(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    let parts = args.iter().filter(|arg| !arg.is_nil()).map(strval_plain).collect::<Result<Vec<_>, _>>()?;
    string(parts.join(&b' '))
}

fn indent(call: &mut Call<'_>, args: &[Value], before: &str) -> Outcome {
    let text = bytes(args, 1);
    let Ok(spaces) = usize::try_from(int(args, 0)) else {
        return fail("strings: negative Repeat count");
    };
    let lines = 1 + memchr::memchr_iter(b'\n', text).count();
    let size = lines.saturating_mul(spaces).saturating_add(text.len() + 1);
    call.reserve(size)?;
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(before.as_bytes());
    for (i, line) in text.split(|b| *b == b'\n').enumerate() {
        if i > 0 {
            out.push(b'\n');
        }
        out.resize(out.len() + spaces, b' ');
        out.extend_from_slice(line);
    }
    string(out)
}

fn repeat(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let Ok(count) = usize::try_from(int(args, 0)) else {
        return fail("strings: negative Repeat count");
    };
    let text = bytes(args, 1);
    let Some(size) = text.len().checked_mul(count) else {
        return fail("strings: Repeat output length overflow");
    };
    call.reserve(size)?;
    string(text.repeat(count))
}

fn replace(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let (old, new, text) = (bytes(args, 0), bytes(args, 1), bytes(args, 2));
    if old == new {
        return string(text);
    }
    if old.is_empty() {
        call.reserve(text.len().saturating_add((text.len() + 1).saturating_mul(new.len())))?;
        let mut out = new.to_vec();
        for (_, part) in quote::chars(text) {
            out.extend_from_slice(part);
            out.extend_from_slice(new);
        }
        return string(out);
    }
    let count = memmem::find_iter(text, old).count();
    if count == 0 {
        return Ok(args[2].clone());
    }
    call.reserve(text.len().saturating_add(count.saturating_mul(new.len())))?;
    let mut out = Vec::with_capacity(text.len() + count * new.len().saturating_sub(old.len()));
    let mut start = 0;
    for at in memmem::find_iter(text, old) {
        out.extend_from_slice(&text[start..at]);
        out.extend_from_slice(new);
        start = at + old.len();
    }
    out.extend_from_slice(&text[start..]);
    string(out)
}

fn join(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let separator = bytes(args, 0);
    let parts = texts(call, &args[1])?;
    call.reserve(parts.iter().fold(0, |sum: usize, part| sum.saturating_add(part.len() + separator.len())))?;
    string(parts.join(separator))
}

/// Tells whether this is a nil `[]string`, which stays one.
fn is_no_list(value: &Value) -> bool {
    value.as_list().is_some_and(|list| list.is_nil() && list.kind() == ListKind::Strings)
}

/// Makes strings of a list, and charges for them.
fn texts(call: &mut Call<'_>, list: &Value) -> Result<Vec<Str>, Fault> {
    call.charge(list.as_list().map_or(1, |list| list.items().len() * 4))?;
    strslice(list)
}

fn sort_alpha(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    if is_no_list(&args[0]) {
        return Ok(args[0].clone());
    }
    let mut parts = match crate::args::items(&args[0]) {
        Some(_) => texts(call, &args[0])?,
        None => vec![strval(&args[0])?],
    };
    parts.sort();
    strings(parts)
}

/// Splits as `strings.SplitN`: an empty separator splits into characters.
pub(crate) fn split(text: &[u8], separator: &[u8], limit: i64) -> Vec<Str> {
    if limit == 0 {
        return Vec::new();
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let mut rest = text;
    if separator.is_empty() {
        while !rest.is_empty() && parts.len() + 1 < limit {
            let (part, tail) = rest.split_at(quote::decode(rest).1);
            parts.push(Str::from(part));
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(Str::from(rest));
        }
        return parts;
    }
    let finder = memmem::Finder::new(separator);
    while parts.len() + 1 < limit
        && let Some(at) = finder.find(rest)
    {
        parts.push(Str::from(&rest[..at]));
        rest = &rest[at + separator.len()..];
    }
    parts.push(Str::from(rest));
    parts
}

fn numbered(parts: Vec<Str>) -> Value {
    let entries = parts.into_iter().enumerate().map(|(i, part)| (Str::from(format!("_{i}")), Value::Str(part)));
    Value::Map(Map::of(MapKind::Strings, entries.collect()))
}

/// Makes what Go panics with when a string is sliced beyond its bounds.
fn slice_bytes(text: &[u8], start: Option<i64>, end: Option<i64>) -> Outcome {
    let len = text.len() as i64;
    let to = end.unwrap_or(len);
    if let Some(end) = end {
        if end < 0 {
            return fail(format!("runtime error: slice bounds out of range [:{end}]"));
        }
        if end > len {
            return fail(format!("runtime error: slice bounds out of range [:{end}] with length {len}"));
        }
    }
    let from = start.unwrap_or(0);
    if from > to {
        return fail(format!("runtime error: slice bounds out of range [{from}:{to}]"));
    }
    string(&text[from as usize..to as usize])
}

fn substr(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    let (start, end, text) = (int(args, 0), int(args, 1), bytes(args, 2));
    if start < 0 {
        slice_bytes(text, None, Some(end))
    } else if end < 0 || end > text.len() as i64 {
        slice_bytes(text, Some(start), None)
    } else {
        slice_bytes(text, Some(start), Some(end))
    }
}

fn trunc(text: &[u8], count: i64) -> &[u8] {
    let keep = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if keep >= text.len() {
        text
    } else if count < 0 {
        &text[text.len() - keep..]
    } else {
        &text[..keep]
    }
}

fn is_space(c: Option<char>) -> bool {
    c.is_some_and(char::is_whitespace)
}

/// Trims Unicode white space at both ends.
pub(crate) fn trim_space(text: &[u8]) -> &[u8] {
    let mut parts = quote::chars(text);
    let start: usize = parts.by_ref().take_while(|(c, _)| is_space(*c)).map(|(_, part)| part.len()).sum();
    let mut end = 0;
    let mut at = 0;
    for (c, part) in quote::chars(text) {
        at += part.len();
        if !is_space(c) {
            end = at;
        }
    }
    if end <= start { &[] } else { &text[start..end] }
}

fn trim_set<'a>(text: &'a [u8], set: &[u8]) -> &'a [u8] {
    let set = runes(set);
    let kept: Vec<(usize, usize)> = quote::chars(text)
        .scan(0, |at, (c, part)| {
            let start = *at;
            *at += part.len();
            Some((c.unwrap_or('\u{fffd}'), start, *at))
        })
        .filter(|(c, _, _)| !set.contains(c))
        .map(|(_, start, end)| (start, end))
        .collect();
    match (kept.first(), kept.last()) {
        (Some((start, _)), Some((_, end))) => &text[*start..*end],
        _ => &[],
    }
}

/// Takes each byte for a Latin-1 character, as the library that sprig uses does.
fn latin1(byte: u8) -> char {
    char::from(byte)
}

fn nospace(text: &[u8]) -> Vec<u8> {
    if text.iter().all(|b| !latin1(*b).is_whitespace()) {
        return text.to_vec();
    }
    text.iter().map(|b| latin1(*b)).filter(|c| !c.is_whitespace()).collect::<String>().into_bytes()
}

fn initials(text: &[u8]) -> String {
    let mut out = String::new();
    let mut gap = true;
    for c in text.iter().map(|b| latin1(*b)) {
        if c.is_whitespace() {
            gap = true;
        } else if gap {
            out.push(c);
            gap = false;
        }
    }
    out
}

fn abbrevboth(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    let (left, right, text) = (int(args, 0), int(args, 1), bytes(args, 2));
    if right < 4 || left > 0 && right < 7 {
        return string(text);
    }
    string(abbreviate(text, left, right))
}

fn abbreviate(text: &[u8], offset: i64, width: i64) -> Vec<u8> {
    let len = text.len() as i64;
    if width < 4 || len <= width {
        return text.to_vec();
    }
    // Go's difference wraps around where the offset is very far to the left.
    let offset = offset.min(len);
    let offset = if len.wrapping_sub(offset) < width - 3 { len - (width - 3) } else { offset };
    let keep = (width - 3) as usize;
    if offset <= 4 {
        return [&text[..keep], b"..."].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    if offset + width - 3 < len {
        return [b"...", &*abbreviate(&text[offset as usize..], 0, width - 3)].concat();
    }
    [b"...", &text[text.len() - keep..]].concat()
}

fn wrap(text: &[u8], width: i64, separator: &[u8], long_words: bool) -> Vec<u8> {
    let separator = if separator.is_empty() { b"\n" } else { separator };
    let width = usize::try_from(width).unwrap_or(1).max(1);
    let mut out = Vec::with_capacity(text.len() + 16);
    let mut offset = 0;
    while text.len() - offset > width {
        if text[offset] == b' ' {
            offset += 1;
            continue;
        }
        let mut end = offset + width;
        let mut next = end;
        if let Some(space) = text[offset..=end].iter().rposition(|b| *b == b' ') {
            end = offset + space;
            next = end + 1;
        } else if !long_words {
            match text[end..].iter().position(|b| *b == b' ') {
                Some(space) => {
                    end += space;
                    next = end + 1;
                }
                None => break,
            }
        }
        out.extend_from_slice(&text[offset..end]);
        out.extend_from_slice(separator);
        offset = next;
    }
    out.extend_from_slice(&text[offset..]);
    out
}
