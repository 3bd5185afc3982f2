//! Reads TOML as BurntSushi/toml 1.6 does (`parse.go`), with its errors.

use std::collections::{BTreeMap, HashMap, HashSet};

use go_template::quote::quote_text;
use go_template::{List, ListKind, Map, Str, Value, number};

use crate::dates::{Time, Zone};
use crate::layout_read;
use crate::toml_lex::{Item, Kind, Lexer, Mistake};

/// How deep arrays and inline tables may nest. Go has no such limit but the stack's.
const DEEPEST: usize = 200;

type Table = BTreeMap<String, Node>;

/// Is a value while tables may still be added to it.
#[derive(Clone, Debug)]
enum Node {
    Table(Table),
    /// What `[[name]]` makes.
    Tables(Vec<Table>),
    Array(Vec<Node>),
    Value(Value),
}

/// Reads a document; the error is Go's text.
pub(crate) fn read(text: &[u8]) -> Result<Map, String> {
    let text = [&b"\xff\xfe"[..], b"\xfe\xff", b"\xef\xbb\xbf"].iter().find_map(|mark| text.strip_prefix(*mark)).unwrap_or(text);
    if text[..text.len().min(6)].contains(&0) {
        return Err("toml: line 1: files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8".to_owned());
    }
    let mut parser = Parser {
        lexer: Lexer::new(text),
        context: Vec::new(),
        current: String::new(),
        line: 0,
        arrays: HashMap::new(),
        mapping: Table::new(),
        implicits: HashSet::new(),
    };
    loop {
        let item = parser.next()?;
        if item.kind == Kind::Eof {
            return Ok(map(parser.mapping));
        }
        parser.top_level(&item)?;
    }
}

fn map(table: Table) -> Map {
    table.into_iter().map(|(key, node)| (Str::from(key), value(node))).collect()
}

fn value(node: Node) -> Value {
    match node {
        Node::Value(value) => value,
        Node::Table(table) => Value::Map(map(table)),
        Node::Tables(tables) => Value::List(List::new(ListKind::Maps, tables.into_iter().map(|table| Value::Map(map(table))).collect())),
        Node::Array(items) => Value::list(items.into_iter().map(value).collect()),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    context: Vec<String>,
    current: String,
    /// The line of the last key.
    line: usize,
    /// Whether a key was last said to hold an array.
    arrays: HashMap<String, bool>,
    mapping: Table,
    implicits: HashSet<String>,
}

type Read<T> = Result<T, String>;

/// Writes a key as Go does: parts that are not bare in quotes.
fn joined(key: &[String]) -> String {
    let part = |part: &String| {
        let is_bare = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if is_bare { part.clone() } else { format!("\"{}\"", part.replace('\\', "\\\\").replace('"', "\\\"")) }
    };
    key.iter().map(part).collect::<Vec<_>>().join(".")
}

impl Parser<'_> {
    fn wrong<T>(&self, line: usize, message: &str) -> Read<T> {
        let context = joined(&self.context);
        let last = match (self.current.is_empty(), context.is_empty()) {
            (true, _) => context,
            (false, true) => self.current.clone(),
            (false, false) => format!("{context}.{}", self.current),
        };
        let place = if last.is_empty() { String::new() } else { format!(" (last key {})", quote_text(&last)) };
        Err(format!("toml: line {line}{place}: {message}"))
    }

    fn next(&mut self) -> Read<Item> {
        match self.lexer.item() {
            Ok(item) => Ok(item),
            Err(Mistake { line, message }) => self.wrong(line, &message),
        }
    }

    fn top_level(&mut self, item: &Item) -> Read<()> {
        match item.kind {
            Kind::CommentStart => self.next().map(|_| ()),
            Kind::TableStart => self.table(Kind::TableEnd, false),
            Kind::ArrayTableStart => self.table(Kind::ArrayTableEnd, true),
            _ => {
                let outer = self.context.clone();
                self.entry(0)?;
                self.context = outer;
                self.current.clear();
                Ok(())
            }
        }
    }

    fn table(&mut self, end: Kind, is_array: bool) -> Read<()> {
        let key = self.key(end)?;
        self.add_context(&key, is_array)?;
        self.set_array("", false);
        Ok(())
    }

    /// Reads the parts of a key up to its end.
    fn key(&mut self, end: Kind) -> Read<Vec<String>> {
        let mut key = Vec::new();
        let mut item = self.next()?;
        self.line = item.line;
        while item.kind != end && item.kind != Kind::Eof {
            key.push(self.text(&item)?);
            item = self.next()?;
        }
        Ok(key)
    }

    /// Reads a key and its value, and stores it where the context says.
    fn entry(&mut self, depth: usize) -> Read<(Vec<String>, Node)> {
        let mut key = self.key(Kind::KeyEnd)?;
        self.current = key.pop().unwrap_or_default();
        for part in &key {
            let mut context = self.context.clone();
            context.push(part.clone());
            self.implicits.insert(joined(&context));
            self.add_context(&context, false)?;
        }
        let item = self.next()?;
        let (node, is_array) = self.value(&item, false, depth)?;
        let current = self.current.clone();
        self.set_value(&current, node.clone())?;
        self.set_array(&current, is_array);
        Ok((key, node))
    }

    fn text(&self, item: &Item) -> Read<String> {
        Ok(match item.kind {
            Kind::StringEscaped => self.unescaped(item, &item.text)?,
            Kind::MultilineString => self.unescaped(item, &without_escaped_breaks(without_first_break(&item.text)))?,
            Kind::RawMultilineString => without_first_break(&item.text).to_owned(),
            _ => item.text.clone(),
        })
    }

    /// Returns a value, and whether it is an array.
    fn value(&mut self, item: &Item, in_array: bool, depth: usize) -> Read<(Node, bool)> {
        if depth > DEEPEST {
            return self.wrong(item.line, "nested too deep");
        }
        let value = match item.kind {
            Kind::Integer => self.integer(item)?,
            Kind::Float => self.float(item)?,
            Kind::Bool => Value::Bool(item.text == "true"),
            Kind::Datetime => self.datetime(item)?,
            Kind::Array => return self.array(depth).map(|node| (node, true)),
            Kind::InlineTableStart => return self.inline_table(in_array, depth).map(|node| (node, false)),
            _ => Value::from(self.text(item)?),
        };
        Ok((Node::Value(value), false))
    }

    fn integer(&self, item: &Item) -> Read<Value> {
        let text = &item.text;
        if !underscores_fit(text) {
            return self.wrong(item.line, &format!("Invalid integer {}: underscores must be surrounded by digits", quote_text(text)));
        }
        if has_leading_zero(text) {
            return self.wrong(item.line, &format!("Invalid integer {}: cannot have leading zeroes", quote_text(text)));
        }
        match number::parse_int(text, 0) {
            Some(number) => Ok(Value::int64(number)),
            None => self.wrong(item.line, &format!("{text} is out of range for int64")),
        }
    }

    fn float(&self, item: &Item) -> Read<Value> {
        let text = &item.text;
        let invalid = |what: &str| self.wrong(item.line, &format!("Invalid float {}: {what}", quote_text(text)));
        let parts: Vec<&str> = text.split(['.', 'e', 'E']).filter(|part| !part.is_empty()).collect();
        if !parts.iter().all(|part| underscores_fit(part)) {
            return invalid("underscores must be surrounded by digits");
        }
        if parts.first().is_some_and(|part| has_leading_zero(part)) {
            return invalid("cannot have leading zeroes");
        }
        if text.split('.').skip(1).any(|part| !part.starts_with(|c: char| c.is_ascii_digit())) {
            return invalid("'.' must be followed by one or more digits");
        }
        let plain = text.replace('_', "");
        if let "nan" | "+nan" | "-nan" = plain.as_str() {
            return Ok(Value::Float(f64::NAN));
        }
        match (number::parse_float(&plain), plain.parse::<f64>()) {
            (Some(number), _) => Ok(Value::Float(number)),
            (None, Ok(_)) => self.wrong(item.line, &format!("{text} is out of range for float64")),
            (None, Err(_)) => self.wrong(item.line, &format!("Invalid float value: {}", quote_text(text))),
        }
    }

    fn datetime(&self, item: &Item) -> Read<Value> {
        const LAYOUTS: &[(&str, &str)] = &[
            ("2006-01-02T15:04:05.999999999Z07:00", ""),
            ("2006-01-02T15:04:05.999999999", "datetime-local"),
            ("2006-01-02", "date-local"),
            ("15:04:05.999999999", "time-local"),
            ("2006-01-02T15:04Z07:00", ""),
            ("2006-01-02T15:04", "datetime-local"),
            ("15:04", "time-local"),
        ];
        let text = item.text.replace('z', "Z").replace(['t', ' '], "T");
        let parsed = LAYOUTS.iter().find_map(|(layout, zone)| Some((layout_read::parse(layout, text.as_bytes()).ok()?, *layout, *zone)));
        match parsed {
            Some((time, layout, zone)) if !lacks_zero(&text, layout) => {
                let zone = if zone.is_empty() { time.zone } else { Zone::Fixed { offset: 0, name: zone.to_owned() } };
                Ok(Value::native(Time { zone, ..time }))
            }
            _ => self.wrong(item.line, &format!("invalid datetime: {}", quote_text(&text))),
        }
    }

    fn array(&mut self, depth: usize) -> Read<Node> {
        let current = self.current.clone();
        self.set_array(&current, true);
        let mut items = Vec::new();
        loop {
            let item = self.next()?;
            match item.kind {
                Kind::ArrayEnd => return Ok(Node::Array(items)),
                Kind::CommentStart => {
                    self.next()?;
                }
                _ => items.push(self.value(&item, true, depth + 1)?.0),
            }
        }
    }

    fn inline_table(&mut self, in_array: bool, depth: usize) -> Read<Node> {
        let mut table = Table::new();
        let (outer_context, outer_key) = (self.context.clone(), std::mem::take(&mut self.current));
        self.context.push(outer_key.clone());
        let context = self.context.clone();
        self.implicits.insert(joined(&context));
        self.add_context(&context, in_array)?;
        loop {
            let item = self.next()?;
            match item.kind {
                Kind::InlineTableEnd => break,
                Kind::CommentStart => {
                    self.next()?;
                    continue;
                }
                _ => {}
            }
            let (parents, node) = self.entry(depth + 1)?;
            let mut inner = &mut table;
            for parent in parents {
                match inner.entry(parent).or_insert_with(|| Node::Table(Table::new())) {
                    Node::Table(next) => inner = next,
                    _ => return self.wrong(self.line, &format!("{:?} is not a table", self.context)),
                }
            }
            inner.insert(self.current.clone(), node);
            self.context.clone_from(&context);
        }
        self.context = outer_context;
        self.current = outer_key;
        Ok(Node::Table(table))
    }

    /// Makes a key the context: a table, or a new element of an array of tables.
    fn add_context(&mut self, key: &[String], is_array: bool) -> Read<()> {
        let Some((last, parents)) = key.split_last() else { return Ok(()) };
        for end in 1..=parents.len() {
            let name = joined(&parents[..end]);
            match lookup(&mut self.mapping, &parents[..end - 1]).map(|table| table.contains_key(&parents[end - 1])) {
                Some(true) => {}
                Some(false) => {
                    self.implicits.insert(name.clone());
                    if let Some(table) = lookup(&mut self.mapping, &parents[..end - 1]) {
                        table.insert(parents[end - 1].clone(), Node::Table(Table::new()));
                    }
                }
                None => {}
            }
            if lookup(&mut self.mapping, &parents[..end]).is_none() {
                return self.wrong(self.line, &format!("Key '{name}' was already created as a hash."));
            }
        }
        self.context = parents.to_vec();
        if is_array {
            let table = lookup(&mut self.mapping, parents);
            let slot = table.map(|table| table.entry(last.clone()).or_insert_with(|| Node::Tables(Vec::new())));
            match slot {
                Some(Node::Tables(tables)) => tables.push(Table::new()),
                _ => {
                    let name = joined(key);
                    return self.wrong(self.line, &format!("Key '{name}' was already created and cannot be used as an array."));
                }
            }
        } else {
            self.set_value(last, Node::Table(Table::new()))?;
        }
        self.context.push(last.clone());
        Ok(())
    }

    /// Stores a value in the context, unless the key is taken.
    fn set_value(&mut self, key: &str, node: Node) -> Read<()> {
        let context = self.context.clone();
        let mut whole = context.clone();
        whole.push(key.to_owned());
        let name = joined(&whole);
        for end in 1..=context.len() {
            if lookup(&mut self.mapping, &context[..end]).is_none() {
                let name = joined(&context[..end]);
                return self.wrong(self.line, &format!("Key '{name}' has already been defined."));
            }
        }
        let taken = lookup(&mut self.mapping, &context).is_some_and(|table| table.contains_key(key));
        if taken {
            let is_array = self.arrays.get(&name).copied().unwrap_or(false);
            if !self.implicits.remove(&name) {
                return self.wrong(self.line, &format!("Key '{name}' has already been defined."));
            }
            if !is_array {
                return Ok(());
            }
        }
        if let Some(table) = lookup(&mut self.mapping, &context) {
            table.insert(key.to_owned(), node);
        }
        Ok(())
    }

    /// Remembers whether a key, or the context itself, holds an array.
    fn set_array(&mut self, key: &str, is_array: bool) {
        let mut whole = self.context.clone();
        if !key.is_empty() {
            whole.push(key.to_owned());
        }
        if whole.is_empty() {
            whole.push(String::new());
        }
        self.arrays.insert(joined(&whole), is_array);
    }

    fn unescaped(&self, item: &Item, text: &str) -> Read<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if c != '\\' {
                out.push(c);
                continue;
            }
            let Some(escape) = rest.next() else { break };
            let digits = match escape {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                ' ' | '\t' => return self.wrong(item.line, &format!("invalid escape: '\\{escape}'")),
                _ => {
                    out.push(match escape {
                        'b' => '\u{8}',
                        't' => '\t',
                        'n' => '\n',
                        'f' => '\u{c}',
                        'r' => '\r',
                        'e' => '\u{1b}',
                        other => other,
                    });
                    continue;
                }
            };
            let code: String = rest.by_ref().take(digits).collect();
            match u32::from_str_radix(&code, 16).ok().and_then(char::from_u32) {
                Some(c) => out.push(c),
                None => return self.wrong(item.line, &format!("Escaped character '\\u{code}' is not valid UTF-8.")),
            }
        }
        Ok(out)
    }
}

/// Returns the table at a path; in an array of tables that is the last one. Nothing where something else is in the way.
fn lookup<'t>(mapping: &'t mut Table, path: &[String]) -> Option<&'t mut Table> {
    path.iter().try_fold(mapping, |table, key| match table.get_mut(key)? {
        Node::Table(table) => Some(table),
        Node::Tables(tables) => tables.last_mut(),
        _ => None,
    })
}

/// Tells whether every underscore stands between digits.
fn underscores_fit(text: &str) -> bool {
    if matches!(text, "nan" | "+nan" | "-nan" | "inf" | "-inf" | "+inf") {
        return true;
    }
    let mut accept = false;
    for c in text.chars() {
        if c == '_' && !accept {
            return false;
        }
        accept = c.is_ascii_hexdigit();
    }
    accept
}

fn has_leading_zero(text: &str) -> bool {
    match text.as_bytes() {
        [b'0', b'b' | b'o' | b'x', ..] => false,
        [b'0', _, ..] => true,
        [b'-' | b'+', b'0', _, ..] => true,
        _ => false,
    }
}

/// Tells whether a number of a date is too short: Go's parser does not mind.
fn lacks_zero(text: &str, layout: &str) -> bool {
    let text = text.as_bytes();
    for (at, byte) in layout.bytes().enumerate() {
        if matches!(byte, b'.' | b'Z') {
            return false;
        }
        if !byte.is_ascii_digit() && text.get(at) != Some(&byte) {
            return true;
        }
    }
    false
}

fn without_first_break(text: &str) -> &str {
    text.strip_prefix('\n').or_else(|| text.strip_prefix("\r\n")).unwrap_or(text)
}

/// Takes out backslashes at the end of a line with all blanks that follow.
fn without_escaped_breaks(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let after = &rest[at + 1..];
        let blanks = after.len() - after.trim_start_matches([' ', '\t', '\r', '\n']).len();
        if after.starts_with('\\') {
            out.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
        } else if after[..blanks].contains('\n') {
            out.push_str(&rest[..at]);
            rest = &after[blanks..];
        } else {
            out.push_str(&rest[..=at]);
            rest = after;
        }
    }
    out.push_str(rest);
    out
}
