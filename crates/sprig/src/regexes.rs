//! Regular expressions as Go's `regexp` reads them, on the `regex` crate.
//!
//! Both descend from RE2. The differences are translated: Perl classes and word boundaries are ASCII in Go, a brace that is no
//! repetition is literal, and there are no set operations in classes.

use std::cell::RefCell;
use std::collections::HashMap;

use go_template::{Call, Fault, Func, List, ListKind, Outcome, Str, Type, Value, fixed, quote};
use regex::bytes::{Captures, Regex, RegexBuilder};

use crate::args::{bytes, func, int, string, strings, text};
use crate::go_regex;

use Type::{Int, String as Text};

pub(crate) const FUNCS: &[Func] = &[
    func("mustRegexFind", fixed(&[Text, Text]), |call, a| find(call, a, true)),
    func("mustRegexFindAll", fixed(&[Text, Text, Int]), |call, a| find_all(call, a, true)),
    func("mustRegexMatch", fixed(&[Text, Text]), |_, a| Ok(Value::Bool(compile(a, true)?.is_match(bytes(a, 1))))),
    func("mustRegexReplaceAll", fixed(&[Text, Text, Text]), |call, a| replace(call, a, true, false)),
    func("mustRegexReplaceAllLiteral", fixed(&[Text, Text, Text]), |call, a| replace(call, a, true, true)),
    func("mustRegexSplit", fixed(&[Text, Text, Int]), |call, a| split(call, a, true)),
    func("regexFind", fixed(&[Text, Text]), |call, a| find(call, a, false)),
    func("regexFindAll", fixed(&[Text, Text, Int]), |call, a| find_all(call, a, false)),
    func("regexMatch", fixed(&[Text, Text]), |_, a| Ok(Value::Bool(compile(a, true).is_ok_and(|regex| regex.is_match(bytes(a, 1)))))),
    func("regexQuoteMeta", fixed(&[Text]), |_, a| string(quote_meta(bytes(a, 0)))),
    func("regexReplaceAll", fixed(&[Text, Text, Text]), |call, a| replace(call, a, false, false)),
    func("regexReplaceAllLiteral", fixed(&[Text, Text, Text]), |call, a| replace(call, a, false, true)),
    func("regexSplit", fixed(&[Text, Text, Int]), |call, a| split(call, a, false)),
];

/// How many compiled expressions a thread keeps.
const KEPT: usize = 256;

/// How large a compiled expression may be. Go has a limit too, but counts otherwise.
const LARGEST_PROGRAM: usize = 16 << 20;

thread_local! {
    /// Charts use few expressions, in loops.
    static COMPILED: RefCell<HashMap<String, Result<Regex, String>>> = RefCell::new(HashMap::new());
}

/// Compiles the first argument. What panics in Go names the whole expression; the `must` twins give the bare error.
fn compile(args: &[Value], bare: bool) -> Result<Regex, Fault> {
    let expression = text(args, 0);
    let compiled = COMPILED.with_borrow_mut(|compiled| {
        if let Some(found) = compiled.get(&*expression) {
            return found.clone();
        }
        if compiled.len() >= KEPT {
            compiled.clear();
        }
        let result = new_regex(&expression);
        compiled.insert(expression.clone().into_owned(), result.clone());
        result
    });
    compiled.map_err(|error| {
        if bare {
            return Fault::Text(error);
        }
        let quoted = if quote::can_backquote(expression.as_bytes()) { format!("`{expression}`") } else { quote::quote_text(&expression) };
        Fault::Text(format!("regexp: Compile({quoted}): {error}"))
    })
}

/// Checks the syntax of a regular expression; the error is Go's.
pub fn check_regex(expression: &str) -> Result<(), String> {
    go_regex::check(expression).map_err(|(what, part)| format!("error parsing regexp: {what}: `{part}`"))
}

/// Rewrites an expression of Go into one of the `regex` crate that means the same; the error is Go's.
pub fn rust_regex(expression: &str) -> Result<String, String> {
    check_regex(expression)?;
    Ok(translate(expression))
}

fn new_regex(expression: &str) -> Result<Regex, String> {
    let translated = rust_regex(expression)?;
    let built = RegexBuilder::new(&translated).nest_limit(2_000).size_limit(LARGEST_PROGRAM).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => format!("error parsing regexp: expression too large: `{expression}`"),
        _ => format!("error parsing regexp: invalid or unsupported syntax: `{expression}`"),
    })
}

const SPACE: &str = r"\t\n\x0C\r ";

fn translate(expression: &str) -> String {
    let mut out = String::with_capacity(expression.len() + 8);
    let mut rest = expression;
    while let Some(c) = rest.chars().next() {
        let mut width = c.len_utf8();
        match c {
            '\\' => width = escape(&mut out, rest, false),
            '[' => width = class(&mut out, rest),
            '{' if go_regex::repetition(rest).is_none() => out.push_str("\\{"),
            '}' if !out_ends_repetition(&out) => out.push_str("\\}"),
            c => out.push(c),
        }
        rest = &rest[width..];
    }
    out
}

/// Writes a class; gives how many bytes it took. Every character is escaped: Go knows no set operations, and a hyphen means itself
/// after a range or another class (`parseClass` of `regexp/syntax`).
fn class(out: &mut String, rest: &str) -> usize {
    let start = if rest.starts_with("[^") { "[^" } else { "[" };
    out.push_str(start);
    let mut at = start.len();
    while at < rest.len() {
        let tail = &rest[at..];
        // A bracket right at the start is literal.
        if tail.starts_with(']') && at > start.len() {
            out.push(']');
            return at + 1;
        }
        at += member(out, tail);
    }
    at
}

/// Writes what stands in a class: a class by name, a range or a character.
fn member(out: &mut String, rest: &str) -> usize {
    if let Some(end) = rest.strip_prefix("[:").and_then(|tail| tail.find(":]")) {
        out.push_str(&rest[..end + 4]);
        return end + 4;
    }
    if rest.starts_with('\\') && rest[1..].starts_with(['d', 'D', 's', 'S', 'w', 'W', 'p', 'P']) {
        return escape(out, rest, true);
    }
    let width = member_char(out, rest);
    let tail = &rest[width..];
    if !tail.starts_with('-') || tail.starts_with("-]") {
        return width;
    }
    out.push('-');
    width + 1 + member_char(out, &tail[1..])
}

fn member_char(out: &mut String, rest: &str) -> usize {
    match rest.chars().next() {
        Some('\\') => escape(out, rest, true),
        Some(c) => {
            let text = c.encode_utf8(&mut [0; 4]).to_owned();
            out.push_str(&regex_syntax::escape(&text));
            text.len()
        }
        None => 0,
    }
}

/// Tells whether what was written so far is an open repetition, so that a brace closes it.
fn out_ends_repetition(out: &str) -> bool {
    let digits = out.trim_end_matches(|c: char| c.is_ascii_digit() || c == ',');
    digits.len() < out.len() && digits.ends_with('{') && !digits.ends_with("\\{")
}

/// Writes an escape; gives how many bytes it took.
fn escape(out: &mut String, rest: &str, in_class: bool) -> usize {
    let Some(c) = rest[1..].chars().next() else { return 1 };
    let width = 1 + c.len_utf8();
    let class = |negated: bool, inner: &str| match (in_class, negated) {
        (true, false) => inner.to_owned(),
        (_, true) => format!("[^{inner}]"),
        (false, false) => format!("[{inner}]"),
    };
    match c {
        'd' | 'D' => out.push_str(&class(c == 'D', "0-9")),
        'w' | 'W' => out.push_str(&class(c == 'W', "0-9A-Za-z_")),
        's' | 'S' => out.push_str(&class(c == 'S', SPACE)),
        'b' | 'B' if !in_class => out.push_str(&format!("(?-u:\\{c})")),
        'Q' if !in_class => {
            let body = &rest[2..];
            let end = body.find("\\E");
            out.push_str(&regex_syntax::escape(&body[..end.unwrap_or(body.len())]));
            return 2 + end.map_or(body.len(), |end| end + 2);
        }
        'p' | 'P' => {
            let end =
                if rest[2..].starts_with('{') { rest.find('}').map_or(rest.len(), |end| end + 1) } else { (width + 1).min(rest.len()) };
            let end = (end..=rest.len()).find(|end| rest.is_char_boundary(*end)).unwrap_or(rest.len());
            match rest[..end].split_once("{^") {
                Some((_, name)) => out.push_str(&format!("\\{}{{{name}", if c == 'p' { 'P' } else { 'p' })),
                None => out.push_str(&rest[..end]),
            }
            return end;
        }
        'x' if rest[2..].starts_with('{') => {
            let end = rest.find('}').map_or(rest.len(), |end| end + 1);
            out.push_str(&rest[..end]);
            return end;
        }
        // The library for schemas knows no other name for it.
        'a' => out.push_str("\\x07"),
        'x' => {
            let end = rest.len().min(4);
            out.push_str(&rest[..end]);
            return end;
        }
        'f' | 'n' | 'r' | 't' | 'v' | 'A' | 'z' => out.push_str(&rest[..width]),
        '0'..='7' => return octal(out, rest),
        c => out.push_str(&regex_syntax::escape(c.encode_utf8(&mut [0; 4]))),
    }
    width
}

fn octal(out: &mut String, rest: &str) -> usize {
    let digits = rest[1..].bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
    let value = u32::from_str_radix(&rest[1..=digits], 8).unwrap_or(0);
    out.push_str(&format!("\\x{{{value:X}}}"));
    1 + digits
}

fn quote_meta(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        if b"\\.+*?()|[]{}^$".contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}

/// Steps over a match as Go does, so that an empty one does not stand still.
fn advance(text: &[u8], position: usize, end: usize) -> usize {
    let width = quote::decode(&text[position.min(text.len())..]).1.max(1);
    if position + width > end { position + width } else { end }
}

fn find(_: &mut Call<'_>, args: &[Value], bare: bool) -> Outcome {
    let regex = compile(args, bare)?;
    string(regex.find(bytes(args, 1)).map_or(&b""[..], |found| found.as_bytes()))
}

/// Lists all matches; an empty one right after another match does not count.
fn matches(regex: &Regex, text: &[u8], limit: usize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut position = 0;
    let mut previous_end = None;
    while found.len() < limit && position <= text.len() {
        let Some(m) = regex.find_at(text, position) else { break };
        let (start, end) = (m.start(), m.end());
        let accept = !(start == end && Some(start) == previous_end);
        if end > position {
            position = end;
        } else {
            position += quote::decode(&text[position..]).1.max(1);
        }
        previous_end = Some(end);
        if accept {
            found.push((start, end));
        }
    }
    found
}

fn find_all(call: &mut Call<'_>, args: &[Value], bare: bool) -> Outcome {
    let regex = compile(args, bare)?;
    let text = bytes(args, 1);
    let limit = usize::try_from(int(args, 2)).unwrap_or(usize::MAX);
    call.charge(text.len() / 8)?;
    let found: Vec<Str> = matches(&regex, text, limit).into_iter().map(|(start, end)| Str::from(&text[start..end])).collect();
    if found.is_empty() {
        return Ok(Value::List(List::nil(ListKind::Strings)));
    }
    strings(found)
}

fn replace(call: &mut Call<'_>, args: &[Value], bare: bool, literal: bool) -> Outcome {
    let regex = compile(args, bare)?;
    let (text, replacement) = (bytes(args, 1), bytes(args, 2));
    let mut out = Vec::with_capacity(text.len());
    let (mut last_end, mut position) = (0, 0);
    while position <= text.len() {
        let Some(captures) = regex.captures_at(text, position) else { break };
        let Some(whole) = captures.get(0) else { break };
        out.extend_from_slice(&text[last_end..whole.start()]);
        if whole.end() > last_end || whole.start() == 0 {
            expand(&regex, &captures, replacement, literal, &mut out);
        }
        call.reserve(out.len())?;
        last_end = whole.end();
        position = advance(text, position, whole.end());
    }
    out.extend_from_slice(&text[last_end..]);
    call.reserve(out.len())?;
    string(out)
}

fn expand(regex: &Regex, captures: &Captures<'_>, replacement: &[u8], literal: bool, out: &mut Vec<u8>) {
    if literal {
        out.extend_from_slice(replacement);
        return;
    }
    let mut rest = replacement;
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(b"$") {
            out.push(b'$');
            rest = after;
        } else if let Some((name, after)) = group_name(rest) {
            out.extend_from_slice(group(regex, captures, name));
            rest = after;
        } else {
            out.push(b'$');
        }
    }
    out.extend_from_slice(rest);
}

/// Splits off the name of a group after `$`, in braces or as far as letters and digits go.
fn group_name(text: &[u8]) -> Option<(&str, &[u8])> {
    let (is_braced, text) = text.strip_prefix(b"{").map_or((false, text), |text| (true, text));
    let is_word = |c: &(Option<char>, &[u8])| c.0.is_some_and(quote::is_alphanumeric);
    let length = quote::chars(text).take_while(is_word).map(|(_, bytes)| bytes.len()).sum();
    let (name, rest) = text.split_at(length);
    let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty())?;
    Some((name, if is_braced { rest.strip_prefix(b"}")? } else { rest }))
}

/// Returns what a group matched; a number has no leading zeros.
fn group<'t>(regex: &Regex, captures: &Captures<'t>, name: &str) -> &'t [u8] {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    let found = match name.parse() {
        Ok(number) if is_number => captures.get(number),
        _ => regex.capture_names().enumerate().filter(|(_, known)| *known == Some(name)).find_map(|(at, _)| captures.get(at)),
    };
    found.map_or(&[], |found| found.as_bytes())
}

fn split(call: &mut Call<'_>, args: &[Value], bare: bool) -> Outcome {
    let regex = compile(args, bare)?;
    let (text, limit) = (bytes(args, 1), int(args, 2));
    call.charge(text.len() / 8)?;
    if limit == 0 {
        return Ok(Value::List(List::nil(ListKind::Strings)));
    }
    if !bytes(args, 0).is_empty() && text.is_empty() {
        return strings(vec![Str::from("")]);
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for (start, stop) in matches(&regex, text, limit) {
        if parts.len() + 1 == limit {
            break;
        }
        end = start;
        if stop != 0 {
            parts.push(Str::from(&text[begin..end]));
        }
        begin = stop;
    }
    if end != text.len() {
        parts.push(Str::from(&text[begin..]));
    }
    strings(parts)
}
