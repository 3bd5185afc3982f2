//! Finds what is wrong with a regular expression, in the order and the words of Go's `regexp/syntax` (`parse.go` of Go 1.26).
//!
//! It only checks. The `regex` crate accepts some of what Go refuses, such as `a**`, and refuses the rest with other words.

/// Is Go's name for a mistake, and the part of the expression that it quotes.
pub(crate) type Mistake = (&'static str, String);

type Checked<T> = Result<T, Mistake>;

const RANGE: &str = "invalid character class range";
const ESCAPE: &str = "invalid escape sequence";
const REPEAT: &str = "invalid repeat count";
const ARGUMENT: &str = "missing argument to repetition operator";

/// How deep groups may nest.
const DEEPEST: usize = 1000;

/// Is a level of groups: how often its most repeated part counts, and whether there is something to repeat.
#[derive(Default)]
struct Level {
    /// The most that repetitions in this group multiply up to.
    most: u64,
    /// The same for the last item alone; nothing where there is none.
    last: Option<u64>,
}

impl Level {
    fn push(&mut self, repeated: u64) {
        self.most = self.most.max(repeated);
        self.last = Some(repeated);
    }
}

/// Checks a whole expression.
pub(crate) fn check(whole: &str) -> Checked<()> {
    let mut levels = vec![Level::default()];
    let mut rest = whole;
    let mut last_repeat = "";
    while let Some(c) = rest.chars().next() {
        let mut repeat = "";
        let top = levels.len() - 1;
        rest = match c {
            '(' if rest[1..].starts_with('?') => group_flags(rest, &mut levels)?,
            '(' => {
                levels.push(Level::default());
                &rest[1..]
            }
            '|' => {
                levels[top].last = None;
                &rest[1..]
            }
            ')' => {
                if top == 0 {
                    return Err(("unexpected )", whole.to_owned()));
                }
                let most = levels.pop().map_or(1, |level| level.most.max(1));
                levels[top - 1].push(most);
                &rest[1..]
            }
            '[' => {
                levels[top].push(1);
                class(rest)?
            }
            '*' | '+' | '?' => {
                repeat = rest;
                repeated(&mut levels[top], None, rest, &rest[1..], last_repeat)?
            }
            '{' => match repetition(rest) {
                None => {
                    levels[top].push(1);
                    &rest[1..]
                }
                Some((bounds, after)) => {
                    let (min, max) = bounds.ok_or_else(|| (REPEAT, between(rest, after)))?;
                    repeat = rest;
                    repeated(&mut levels[top], Some((min, max)), rest, after, last_repeat)?
                }
            },
            '\\' => {
                levels[top].push(1);
                escape(rest)?
            }
            c => {
                levels[top].push(1);
                &rest[c.len_utf8()..]
            }
        };
        if levels.len() > DEEPEST {
            return Err(("expression nests too deeply", whole.to_owned()));
        }
        last_repeat = repeat;
    }
    if levels.len() == 1 { Ok(()) } else { Err(("missing closing )", whole.to_owned())) }
}

/// Returns the text from one rest up to a later one.
fn between(from: &str, to: &str) -> String {
    from[..from.len() - to.len()].to_owned()
}

/// Applies a repetition to the last item.
fn repeated<'a>(
    level: &mut Level,
    bounds: Option<(u64, Option<u64>)>,
    before: &str,
    after: &'a str,
    last_repeat: &str,
) -> Checked<&'a str> {
    let after = after.strip_prefix('?').unwrap_or(after);
    if !last_repeat.is_empty() {
        return Err(("invalid nested repetition operator", between(last_repeat, after)));
    }
    let Some(inner) = level.last else { return Err((ARGUMENT, between(before, after))) };
    let Some((min, max)) = bounds else { return Ok(after) };
    let times = max.unwrap_or(min);
    let product = if times == 0 { inner } else { inner.saturating_mul(times) };
    if product > 1000 && (min >= 2 || max.is_some_and(|max| max >= 2)) {
        return Err((REPEAT, between(before, after)));
    }
    level.push(product);
    Ok(after)
}

/// Reads `{2}`, `{2,}` or `{2,5}` and gives the rest; no bounds where Go finds them wrong, nothing where the brace is literal.
#[expect(clippy::type_complexity, reason = "two outcomes of one look ahead")]
pub(crate) fn repetition(text: &str) -> Option<(Option<(u64, Option<u64>)>, &str)> {
    let (min, rest) = count(text.strip_prefix('{')?)?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (Some(min), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => count(rest).map(|(max, rest)| (Some(max), rest))?,
    };
    let rest = rest.strip_prefix('}')?;
    let wrong = min > 1000 || max.is_some_and(|max| max > 1000 || min > max);
    Some(((!wrong).then_some((min, max)), rest))
}

/// Reads digits without a leading zero; too many of them count as too large.
fn count(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || (digits > 1 && text.starts_with('0')) {
        return None;
    }
    Some((text[..digits].parse().unwrap_or(u64::MAX), &text[digits..]))
}

/// Reads `(?flags)`, `(?flags:` or the start of a named group.
fn group_flags<'a>(text: &'a str, levels: &mut Vec<Level>) -> Checked<&'a str> {
    let bytes = text.as_bytes();
    let named = (bytes.len() > 4 && text[2..].starts_with("P<")).then_some(4).or((bytes.len() > 3 && bytes[2] == b'<').then_some(3));
    if let Some(start) = named {
        let Some(end) = text.find('>') else { return Err(("invalid named capture", text.to_owned())) };
        let name = &text[start..end];
        if name.is_empty() || !name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) {
            return Err(("invalid named capture", text[..=end].to_owned()));
        }
        levels.push(Level::default());
        return Ok(&text[end + 1..]);
    }
    let (mut negated, mut saw_flag) = (false, false);
    let mut rest = &text[2..];
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            'i' | 'm' | 's' | 'U' => saw_flag = true,
            '-' if !negated => (negated, saw_flag) = (true, false),
            ':' | ')' if !negated || saw_flag => {
                if c == ':' {
                    levels.push(Level::default());
                }
                return Ok(rest);
            }
            _ => break,
        }
    }
    Err(("invalid or unsupported Perl syntax", between(text, rest)))
}

/// Reads a bracket expression.
fn class(whole: &str) -> Checked<&str> {
    let mut rest = &whole[1..];
    rest = rest.strip_prefix('^').unwrap_or(rest);
    let mut first = true;
    while !rest.starts_with(']') || first {
        first = false;
        if rest.len() > 2
            && rest.starts_with("[:")
            && let Some(end) = rest[2..].find(":]")
        {
            let name = &rest[..end + 4];
            if !is_posix(name) {
                return Err((RANGE, name.to_owned()));
            }
            rest = &rest[end + 4..];
            continue;
        }
        if let Some(after) = unicode_class(rest)? {
            rest = after;
            continue;
        }
        if is_perl_class(rest) {
            rest = &rest[2..];
            continue;
        }
        let start = rest;
        let (low, after) = class_char(rest, whole)?;
        rest = after;
        if rest.len() >= 2 && rest.starts_with('-') && !rest[1..].starts_with(']') {
            let (high, after) = class_char(&rest[1..], whole)?;
            rest = after;
            if high < low {
                return Err((RANGE, between(start, rest)));
            }
        }
    }
    Ok(&rest[1..])
}

fn class_char<'a>(text: &'a str, whole: &str) -> Checked<(u32, &'a str)> {
    match text.chars().next() {
        None => Err(("missing closing ]", whole.to_owned())),
        Some('\\') => character(text),
        Some(c) => Ok((u32::from(c), &text[c.len_utf8()..])),
    }
}

fn is_posix(name: &str) -> bool {
    const NAMES: &[&str] =
        &["alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word", "xdigit"];
    let inner = &name[2..name.len() - 2];
    NAMES.contains(&inner.strip_prefix('^').unwrap_or(inner))
}

fn is_perl_class(text: &str) -> bool {
    text.len() >= 2 && text.starts_with('\\') && text[1..].starts_with(['d', 'D', 's', 'S', 'w', 'W'])
}

/// Reads `\pN` or `\p{Greek}`; nothing where the text is no such class.
fn unicode_class(text: &str) -> Checked<Option<&str>> {
    if !(text.starts_with("\\p") || text.starts_with("\\P")) {
        return Ok(None);
    }
    let Some(c) = text[2..].chars().next() else { return Ok(None) };
    let end = if c != '{' {
        2 + c.len_utf8()
    } else {
        match text.find('}') {
            Some(end) => end + 1,
            None => return Err((RANGE, text.to_owned())),
        }
    };
    let class = &text[..end];
    // The `regex` crate knows no negation before the name.
    let known = !class.contains(['=', ':']) && regex::Regex::new(&class.replacen("{^", "{", 1)).is_ok();
    if known { Ok(Some(&text[end..])) } else { Err((RANGE, class.to_owned())) }
}

/// Reads what starts with a backslash outside of brackets.
fn escape(text: &str) -> Checked<&str> {
    match text.as_bytes().get(1) {
        Some(b'A' | b'b' | b'B' | b'z') => return Ok(&text[2..]),
        Some(b'C') => return Err((ESCAPE, text[..2].to_owned())),
        Some(b'Q') => return Ok(text[2..].split_once("\\E").map_or("", |(_, rest)| rest)),
        _ => {}
    }
    if let Some(rest) = unicode_class(text)? {
        return Ok(rest);
    }
    if is_perl_class(text) {
        return Ok(&text[2..]);
    }
    character(text).map(|(_, rest)| rest)
}

/// Reads an escaped character.
fn character(text: &str) -> Checked<(u32, &str)> {
    let Some(c) = text[1..].chars().next() else {
        return Err(("trailing backslash at end of expression", String::new()));
    };
    let rest = &text[1 + c.len_utf8()..];
    let simple = match c {
        'a' => 7,
        'f' => 12,
        'n' => 10,
        'r' => 13,
        't' => 9,
        'v' => 11,
        'x' => return hexadecimal(text, rest),
        '0'..='7' if c == '0' || rest.starts_with(|c| matches!(c, '0'..='7')) => {
            let digits = text[1..].bytes().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
            return Ok((u32::from_str_radix(&text[1..=digits], 8).unwrap_or(0), &text[1 + digits..]));
        }
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => u32::from(c),
        _ => return Err((ESCAPE, between(text, rest))),
    };
    Ok((simple, rest))
}

/// Reads `\x7F` or `\x{10FFFF}`; `rest` is what follows the `x`.
fn hexadecimal<'a>(text: &'a str, mut rest: &'a str) -> Checked<(u32, &'a str)> {
    let take = |rest: &mut &'a str| -> Option<char> {
        let c = rest.chars().next()?;
        *rest = &rest[c.len_utf8()..];
        Some(c)
    };
    let Some(first) = take(&mut rest) else { return Err((ESCAPE, text.to_owned())) };
    if first != '{' {
        let second = take(&mut rest);
        return match (first.to_digit(16), second.and_then(|c| c.to_digit(16))) {
            (Some(high), Some(low)) => Ok((high * 16 + low, rest)),
            // Go finds no second character at the end of the text, which is its error for broken UTF-8, quoting nothing.
            _ => Err((ESCAPE, between(text, rest))),
        };
    }
    let (mut value, mut count) = (0_u32, 0);
    loop {
        match take(&mut rest) {
            Some('}') if count > 0 => return Ok((value, rest)),
            Some(c) if c != '}' && c.is_ascii_hexdigit() => {
                value = value * 16 + c.to_digit(16).unwrap_or(0);
                count += 1;
                if value > 0x10ffff {
                    return Err((ESCAPE, between(text, rest)));
                }
            }
            _ => return Err((ESCAPE, between(text, rest))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn accepts_what_go_accepts() {
        for text in [
            "",
            "a|b",
            "(a(b)*)+?",
            "[]a]",
            "[^]-]",
            "a{,5}",
            "a{01}",
            "{",
            "a{1000}",
            "(?i)a(?-s:b)",
            "(?P<n_1>a)(?<m>b)",
            "\\Q*\\E*",
            "\\x{10FFFF}\\x7f\\07\\123",
            "\\pL\\P{Greek}\\p{^Greek}",
            "[[:^alpha:]]",
            "()|",
            "a(?i)*",
            "\\_\\-",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn words_mistakes_as_go_does() {
        let fails = |text: &str, what: &str, part: &str| assert_eq!(check(text), Err((what, part.to_owned())), "{text}");
        const NESTED: &str = "invalid nested repetition operator";
        fails("a**", NESTED, "**");
        fails("a+{2}?", NESTED, "+{2}?");
        fails("*a", "missing argument to repetition operator", "*");
        fails("a|+", "missing argument to repetition operator", "+");
        fails("(?:{3})", "missing argument to repetition operator", "{3}");
        fails("a{1001}", "invalid repeat count", "{1001}");
        fails("(a{100}){11}", "invalid repeat count", "{11}");
        fails("a{3,2}", "invalid repeat count", "{3,2}");
        fails("[a", "missing closing ]", "[a");
        fails("x[z-a]", "invalid character class range", "z-a");
        fails("[[:nope:]]", "invalid character class range", "[:nope:]");
        fails("\\p{Nope}", "invalid character class range", "\\p{Nope}");
        fails("(a", "missing closing )", "(a");
        fails("a)", "unexpected )", "a)");
        fails("a(?=b)", "invalid or unsupported Perl syntax", "(?=");
        fails("(?x)", "invalid or unsupported Perl syntax", "(?x");
        fails("(?P<1-2>a)", "invalid named capture", "(?P<1-2>");
        fails("\\1", "invalid escape sequence", "\\1");
        fails("\\C", "invalid escape sequence", "\\C");
        fails("\\x{", "invalid escape sequence", "\\x{");
        fails("a\\", "trailing backslash at end of expression", "");
        fails(&"(".repeat(1001), "expression nests too deeply", &"(".repeat(1001));
    }
}
