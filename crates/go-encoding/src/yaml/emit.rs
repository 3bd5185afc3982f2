//! The emitter: `emitterc.go` and `encode.go` of go-yaml, cut down to what JSON data can ask for (one document, block style, no tags,
//! anchors or comments). The layout state (column, indent, whether whitespace or indentation was just written) is kept as there,
//! because line folding and blank handling depend on it.

use serde_json::{Map, Number, Value};

use super::{resolve, sort};
use crate::float;

/// Which go-yaml writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// yaml.v2 as sigs yaml uses it.
    V2,
    /// yaml.v3 with an indent of two.
    V3,
    /// What yaml.v2 wrote, read and written again by kyaml: the same styles, nothing folded.
    Kyaml,
}

/// Lines are folded at the first chance after this column, by v2 only.
const WIDTH: usize = 80;

/// Keys longer than this are written in the explicit form.
const SIMPLE_KEY: usize = 128;

pub(crate) fn to_string(value: &Value, dialect: Dialect) -> String {
    let mut emitter = Emitter { out: String::new(), dialect, column: 0, indent: -1, whitespace: true, indention: true };
    emitter.node(value, Place::Root);
    if emitter.column != 0 {
        emitter.line_break();
    }
    emitter.out
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root,
    Item,
    Value,
    /// A key on one line with its value.
    SimpleKey,
}

struct Emitter {
    out: String,
    dialect: Dialect,
    column: usize,
    indent: isize,
    whitespace: bool,
    indention: bool,
}

impl Emitter {
    fn node(&mut self, value: &Value, place: Place) {
        match value {
            Value::Null => self.word("null"),
            Value::Bool(true) => self.word("true"),
            Value::Bool(false) => self.word("false"),
            Value::Number(number) => {
                let text = self.number(number);
                self.word(&text);
            }
            Value::String(text) => self.scalar(text, place),
            Value::Array(items) if items.is_empty() => self.word("[]"),
            Value::Object(map) if map.is_empty() => self.word("{}"),
            Value::Array(items) => self.sequence(items, place),
            Value::Object(map) => self.mapping(map),
        }
    }

    fn number(&self, number: &Number) -> String {
        if let Some(integer) = number.as_i64() {
            return integer.to_string();
        }
        if let Some(integer) = number.as_u64() {
            return integer.to_string();
        }
        let value = number.as_f64().unwrap_or(f64::NAN);
        // JSON writes whole floats below 1e21 without a point, and what fits 64 bits is then read back as an integer.
        if self.dialect != Dialect::V3
            && value.fract() == 0.0
            && (-9_223_372_036_854_775_808.0..18_446_744_073_709_551_616.0).contains(&value)
        {
            let text = float::fixed(value);
            if text == "-0" {
                return "0".to_owned();
            }
            if let resolve::Resolved::Int(_) | resolve::Resolved::Uint(_) = resolve::plain(&text) {
                return text;
            }
        }
        float::general(value)
    }

    fn sequence(&mut self, items: &[Value], place: Place) {
        let outer = self.indent;
        let indentless = self.dialect != Dialect::V3 && place == Place::Value && !self.indention;
        self.increase_indent(indentless);
        for item in items {
            self.write_indent();
            self.indicator("-", true, true);
            self.node(item, Place::Item);
        }
        self.indent = outer;
    }

    fn mapping(&mut self, map: &Map<String, Value>) {
        let outer = self.indent;
        self.increase_indent(false);
        let entries = map.iter().map(|(key, value)| (key.as_str(), value)).collect();
        for (key, value) in sort::sort(entries, self.dialect) {
            self.write_indent();
            if key.len() <= SIMPLE_KEY && !key.chars().any(is_break) {
                self.scalar(key, Place::SimpleKey);
                self.indicator(":", false, false);
            } else {
                self.indicator("?", true, true);
                self.scalar(key, Place::Item);
                self.write_indent();
                self.indicator(":", true, true);
            }
            self.node(value, Place::Value);
        }
        self.indent = outer;
    }

    fn increase_indent(&mut self, indentless: bool) {
        if self.indent < 0 {
            self.indent = 0;
        } else if !indentless {
            self.indent += 2;
        }
    }

    fn line_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    fn write_indent(&mut self) {
        let indent = self.indent.max(0) as usize;
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.line_break();
        }
        const SPACES: &str = "                                                                ";
        while self.column < indent {
            let count = (indent - self.column).min(SPACES.len());
            self.out.push_str(&SPACES[..count]);
            self.column += count;
        }
        self.whitespace = true;
        self.indention = true;
    }

    /// Writes a mark; what follows may be indented from it where `indention` says so.
    fn indicator(&mut self, mark: &str, space_before: bool, indention: bool) {
        if space_before && !self.whitespace {
            self.space();
        }
        self.out.push_str(mark);
        self.column += mark.len();
        self.whitespace = false;
        self.indention = self.indention && indention;
    }

    fn space(&mut self) {
        self.out.push(' ');
        self.column += 1;
    }

    fn push(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    /// Writes a plain scalar that needs no thought.
    fn word(&mut self, text: &str) {
        if !self.whitespace {
            self.space();
        }
        self.out.push_str(text);
        self.column += text.len();
        self.whitespace = false;
        self.indention = false;
    }

    fn scalar(&mut self, text: &str, place: Place) {
        let outer = self.indent;
        self.indent = if outer < 0 { 2 } else { outer + 2 };
        let folds = self.dialect == Dialect::V2 && place != Place::SimpleKey;
        match style(text, place, self.dialect) {
            Style::Plain => self.plain(text, folds),
            Style::Single => self.single(text, folds),
            Style::Double => self.double(text, folds),
            Style::Literal => self.literal(text),
        }
        self.indent = outer;
    }

    fn plain(&mut self, text: &str, folds: bool) {
        // A line break cannot be in a plain scalar here: the style choice forbids it.
        if !folds || self.column + text.len() <= WIDTH {
            if !self.whitespace {
                self.space();
            }
            self.out.push_str(text);
            self.column += text.chars().count();
        } else {
            if !self.whitespace {
                self.space();
            }
            let mut spaces = false;
            let mut rest = text.chars();
            while let Some(c) = rest.next() {
                if c == ' ' {
                    if !spaces && self.column > WIDTH && !rest.as_str().starts_with(' ') {
                        self.write_indent();
                    } else {
                        self.push(' ');
                    }
                    spaces = true;
                } else {
                    self.push(c);
                    self.indention = false;
                    spaces = false;
                }
            }
        }
        self.whitespace = false;
        self.indention = false;
    }

    fn single(&mut self, text: &str, folds: bool) {
        self.indicator("'", true, false);
        let mut spaces = false;
        let mut breaks = false;
        let mut rest = text.chars();
        let mut first = true;
        while let Some(c) = rest.next() {
            if c == ' ' {
                let inside = !first && !rest.as_str().is_empty();
                if folds && !spaces && self.column > WIDTH && inside && !rest.as_str().starts_with(' ') {
                    self.write_indent();
                } else {
                    self.push(' ');
                }
                spaces = true;
            } else if is_break(c) {
                if !breaks && c == '\n' {
                    self.line_break();
                }
                self.scalar_break(c);
                breaks = true;
            } else {
                if breaks {
                    self.write_indent();
                }
                if c == '\'' {
                    self.push('\'');
                }
                self.push(c);
                self.indention = false;
                spaces = false;
                breaks = false;
            }
            first = false;
        }
        self.indicator("'", false, false);
        self.whitespace = false;
        self.indention = false;
    }

    /// Writes a line break of a scalar: a newline as such, the others as the characters they are.
    fn scalar_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
        self.indention = true;
    }

    fn double(&mut self, text: &str, folds: bool) {
        self.indicator("\"", true, false);
        // go-yaml looks for a byte order mark at the start of the value only, and then at every character: all of them are escaped.
        let escape_all = text.starts_with('\u{feff}');
        let mut spaces = false;
        let mut first = true;
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if escape_all || !is_printable(c) || is_break(c) || c == '"' || c == '\\' {
                self.escape(c);
                spaces = false;
            } else if c == ' ' {
                let inside = !first && !rest.as_str().is_empty();
                if folds && !spaces && self.column > WIDTH && inside {
                    self.write_indent();
                    if rest.as_str().starts_with(' ') {
                        self.push('\\');
                    }
                } else {
                    self.push(' ');
                }
                spaces = true;
            } else {
                self.push(c);
                spaces = false;
            }
            first = false;
        }
        self.indicator("\"", false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn escape(&mut self, c: char) {
        let code = c as u32;
        let short = match c {
            '\0' => '0',
            '\u{7}' => 'a',
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{b}' => 'v',
            '\u{c}' => 'f',
            '\r' => 'r',
            '\u{1b}' => 'e',
            '"' => '"',
            '\\' => '\\',
            '\u{85}' => 'N',
            '\u{a0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ => {
                let text = match code {
                    0..=0xff => format!("\\x{code:02X}"),
                    0x100..=0xffff => format!("\\u{code:04X}"),
                    _ => format!("\\U{code:08X}"),
                };
                self.out.push_str(&text);
                self.column += text.len();
                return;
            }
        };
        self.push('\\');
        self.push(short);
    }

    fn literal(&mut self, text: &str) {
        self.indicator("|", true, false);
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.indicator("2", false, false);
        }
        let mut ending = text.chars().rev();
        let last_breaks = ending.next().is_some_and(is_break);
        let before = ending.next();
        match (last_breaks, before) {
            (false, _) => self.indicator("-", false, false),
            (true, None) => self.indicator("+", false, false),
            (true, Some(c)) if is_break(c) => self.indicator("+", false, false),
            _ => {}
        }
        self.line_break();
        self.indention = true;
        self.whitespace = true;
        let mut breaks = true;
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(is_break).unwrap_or(rest.len());
            if end > 0 {
                if breaks {
                    self.write_indent();
                }
                self.out.push_str(&rest[..end]);
                // Only whether the line is empty matters to what follows.
                self.column += end;
                self.indention = false;
                breaks = false;
            }
            let mut tail = rest[end..].chars();
            if let Some(c) = tail.next() {
                self.scalar_break(c);
                breaks = true;
            }
            rest = tail.as_str();
        }
    }
}

#[derive(Debug, PartialEq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// What the emitter may do with a scalar (`yaml_emitter_analyze_scalar`).
struct Analysis {
    plain: bool,
    single: bool,
    block: bool,
    multiline: bool,
}

fn style(text: &str, place: Place, dialect: Dialect) -> Style {
    let plain_reads = match dialect {
        Dialect::V2 | Dialect::Kyaml => resolve::reads_as_string_v2(text),
        Dialect::V3 => resolve::reads_as_string_v3(text),
    };
    if is_tame(text) {
        return if plain_reads { Style::Plain } else { Style::Double };
    }
    let analysis = analyze(text, dialect);
    let wanted = if text.contains('\n') {
        Style::Literal
    } else if plain_reads {
        Style::Plain
    } else {
        Style::Double
    };
    let wanted = if place == Place::SimpleKey && analysis.multiline { Style::Double } else { wanted };
    match wanted {
        Style::Plain if analysis.plain => Style::Plain,
        Style::Plain if analysis.single => Style::Single,
        Style::Literal if analysis.block && place != Place::SimpleKey => Style::Literal,
        _ => Style::Double,
    }
}

/// Words of letters, digits and a few marks, by far the most common scalars, need no analysis.
fn is_tame(text: &str) -> bool {
    text.as_bytes().first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'/')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/'))
}

fn analyze(text: &str, dialect: Dialect) -> Analysis {
    if text.is_empty() {
        return Analysis { plain: true, single: true, block: false, multiline: false };
    }
    let mut indicators = text.starts_with("---") || text.starts_with("...");
    let (mut line_breaks, mut special, mut tab) = (false, false, false);
    let (mut break_space, mut space_break) = (false, false);
    let (mut previous_space, mut previous_break) = (false, false);
    let mut after_blank = true;
    let mut rest = text.chars();
    let mut first = true;
    while let Some(c) = rest.next() {
        let before_blank = rest.as_str().chars().next().is_none_or(|next| matches!(next, ' ' | '\t') || is_break(next));
        indicators |= match c {
            ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => first,
            '#' => first || after_blank,
            '?' | '-' => first && before_blank,
            ':' => before_blank,
            _ => false,
        };
        if c == '\t' && dialect == Dialect::V3 {
            tab = true;
        } else {
            special |= !is_printable(c);
        }
        if c == ' ' {
            break_space |= previous_break;
            previous_space = true;
            previous_break = false;
        } else if is_break(c) {
            line_breaks = true;
            space_break |= previous_space;
            previous_space = false;
            previous_break = true;
        } else {
            previous_space = false;
            previous_break = false;
        }
        after_blank = matches!(c, ' ' | '\t') || is_break(c);
        first = false;
    }
    let edge = |c: Option<char>| c.is_some_and(|c| c == ' ' || is_break(c));
    let padded = edge(text.chars().next()) || edge(text.chars().next_back());
    Analysis {
        plain: !(padded || line_breaks || indicators || break_space || space_break || special || tab),
        single: !(break_space || space_break || special || tab),
        block: !(text.ends_with(' ') || space_break || special),
        multiline: line_breaks,
    }
}

/// What go-yaml writes as it is. Everything beyond the basic plane is escaped.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
