//! The grammar of `--set`, `--set-string`, `--set-file`, `--set-json` and `--set-literal` (`pkg/strvals`), quirks included.

use go_encoding::json::{self, ReadError};
use go_template::quote::{quote_rune, quote_text};
use serde_json::{Map, Value};

use super::ValuesError;

const MAX_INDEX: usize = 65_536;
const MAX_NESTING: usize = 30;

/// Applies a `--set` expression: words for bools and null and whole numbers get their type, everything else is text.
pub fn set(values: &mut Map<String, Value>, expression: &str) -> Result<(), ValuesError> {
    Parser::new(expression, Mode::Typed).run(values)
}

/// Applies a `--set-string` expression: every value is text.
pub fn set_string(values: &mut Map<String, Value>, expression: &str) -> Result<(), ValuesError> {
    Parser::new(expression, Mode::Text).run(values)
}

/// Applies a `--set-file` expression: every value names what `read` returns in its place.
pub fn set_file(
    values: &mut Map<String, Value>,
    expression: &str,
    read: &dyn Fn(&str) -> Result<String, String>,
) -> Result<(), ValuesError> {
    Parser::new(expression, Mode::File(read)).run(values)
}

/// Applies a `--set-json` expression: a JSON object, or keys with JSON values.
pub fn set_json(values: &mut Map<String, Value>, expression: &str) -> Result<(), ValuesError> {
    if expression.trim_start().starts_with('{') {
        let read =
            json::read(expression.as_bytes()).map_err(|error| ValuesError(format!("failed parsing --set-json data JSON: {error}")))?;
        if let Value::Object(map) = super::as_floats(read) {
            super::merge_maps(values, map);
        }
        return Ok(());
    }
    Parser::new(expression, Mode::Json).run(values)
}

/// Applies a `--set-literal` expression: one key, and everything after its equals sign as text.
pub fn set_literal(values: &mut Map<String, Value>, expression: &str) -> Result<(), ValuesError> {
    Parser::new(expression, Mode::Literal).run(values)
}

#[derive(Clone, Copy)]
enum Mode<'a> {
    Typed,
    Text,
    File(&'a dyn Fn(&str) -> Result<String, String>),
    Json,
    Literal,
}

/// Why a step stopped.
enum Stop {
    /// The text is used up.
    End,
    Wrong(String),
}

type Step<T> = Result<T, Stop>;

fn wrong<T>(text: impl Into<String>) -> Step<T> {
    Err(Stop::Wrong(text.into()))
}

struct Parser<'a> {
    rest: &'a str,
    mode: Mode<'a>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, mode: Mode<'a>) -> Parser<'a> {
        Parser { rest: text, mode }
    }

    fn run(mut self, values: &mut Map<String, Value>) -> Result<(), ValuesError> {
        loop {
            match self.key(values, 0) {
                Ok(()) => {}
                Err(Stop::End) => return Ok(()),
                Err(Stop::Wrong(text)) => return Err(ValuesError(text)),
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next();
        self.rest = chars.as_str();
        c
    }

    /// Reads up to one of the stops, or to the end; a backslash takes the next character as it is.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut text = String::new();
        while let Some(c) = self.next() {
            if stops.contains(&c) {
                return (text, Some(c));
            }
            if c == '\\' && !matches!(self.mode, Mode::Literal) {
                match self.next() {
                    Some(c) => text.push(c),
                    None => return (text, None),
                }
            } else {
                text.push(c);
            }
        }
        (text, None)
    }

    fn key(&mut self, map: &mut Map<String, Value>, nesting: usize) -> Step<()> {
        let stops: &[char] = if matches!(self.mode, Mode::Literal) { &['=', '[', '.'] } else { &['=', '[', ',', '.'] };
        let (key, stop) = self.until(stops);
        match stop {
            None if key.is_empty() => Err(Stop::End),
            None => wrong(format!("key {} has no value", quote_text(&key))),
            Some('[') => {
                let index = self.index()?;
                let mut list = match map.get(&key) {
                    None => Vec::new(),
                    Some(Value::Array(items)) => items.clone(),
                    Some(other) => return wrong(conversion(other, "[]interface {}")),
                };
                let result = self.item(&mut list, index, nesting);
                put(map, &key, Value::Array(list));
                result
            }
            Some('=') => {
                let (value, result) = self.value()?;
                put(map, &key, value);
                result
            }
            Some('.') => {
                if nesting + 1 > MAX_NESTING {
                    return wrong(format!("value name nested level is greater than maximum supported nested level of {MAX_NESTING}"));
                }
                let mut inner = match map.get(&key) {
                    None => Map::new(),
                    Some(Value::Object(inner)) => inner.clone(),
                    Some(other) => return wrong(conversion(other, "map[string]interface {}")),
                };
                let result = self.key(&mut inner, nesting + 1);
                if result.is_ok() && inner.is_empty() {
                    return wrong(format!("key map {} has no value", quote_text(&key)));
                }
                if !inner.is_empty() {
                    put(map, &key, Value::Object(inner));
                }
                result
            }
            Some(_) => {
                put(map, &key, Value::String(String::new()));
                wrong(format!("key {} has no value (cannot end with ,)", quote_text(&key)))
            }
        }
    }

    fn index(&mut self) -> Step<i64> {
        let (text, stop) = self.until(&[']']);
        if stop.is_none() {
            // Helm wraps the end of the text, and then takes it for the end of the expression.
            return Err(Stop::End);
        }
        let digits = text.strip_prefix('+').filter(|rest| !rest.starts_with(['+', '-'])).unwrap_or(&text);
        digits.parse().or_else(|_| {
            let unsigned = digits.strip_prefix('-').unwrap_or(digits);
            let (leading, rest) = unsigned.split_at(unsigned.bytes().take_while(u8::is_ascii_digit).count());
            // Go stops at what comes first.
            let is_too_large = !leading.is_empty() && (rest.is_empty() || leading.parse::<u64>().is_err());
            let what = if is_too_large { "value out of range" } else { "invalid syntax" };
            wrong(format!("error parsing index: strconv.Atoi: parsing {}: {what}", quote_text(&text)))
        })
    }

    fn item(&mut self, list: &mut Vec<Value>, index: i64, nesting: usize) -> Step<()> {
        let Ok(position) = usize::try_from(index) else {
            return wrong(format!("negative {index} index not allowed"));
        };
        let (text, stop) = self.until(&['[', '.', '=']);
        if !text.is_empty() {
            let runes: Vec<String> = text.chars().map(|c| quote_rune(i64::from(u32::from(c)), false)).collect();
            return wrong(format!("unexpected data at end of array index: [{}]", runes.join(" ")));
        }
        match stop {
            Some('=') => {
                let (value, result) = self.value()?;
                put_at(list, position, value)?;
                // An empty value at the end is no reason to stop here, other than under a plain key.
                match result {
                    Err(Stop::End) => Ok(()),
                    result => result,
                }
            }
            Some('[') => {
                let next = self.index()?;
                let mut inner = match list.get(position) {
                    None | Some(Value::Null) => Vec::new(),
                    Some(Value::Array(items)) => items.clone(),
                    Some(other) => return wrong(conversion(other, "[]interface {}")),
                };
                self.item(&mut inner, next, nesting)?;
                put_at(list, position, Value::Array(inner))
            }
            Some('.') => {
                if nesting + 1 > MAX_NESTING * 4 {
                    return wrong(format!("value name nested level is greater than maximum supported nested level of {MAX_NESTING}"));
                }
                let mut inner = match list.get(position) {
                    Some(Value::Object(inner)) => inner.clone(),
                    _ => Map::new(),
                };
                if let Some(slot) = list.get_mut(position)
                    && !slot.is_object()
                {
                    *slot = Value::Object(Map::new());
                }
                let result = self.key(&mut inner, nesting);
                if list.len() > position {
                    list[position] = Value::Object(inner.clone());
                }
                result?;
                put_at(list, position, Value::Object(inner))
            }
            _ => Err(Stop::End),
        }
    }

    /// Reads a value after its equals sign; the second part tells how to go on once it is stored.
    fn value(&mut self) -> Step<(Value, Step<()>)> {
        match self.mode {
            Mode::Json => return self.json(),
            Mode::Literal => {
                let text = std::mem::take(&mut self.rest);
                return Ok((Value::String(text.to_owned()), Ok(())));
            }
            Mode::Typed | Mode::Text | Mode::File(_) => {}
        }
        if self.rest.is_empty() {
            return Ok((Value::String(String::new()), Err(Stop::End)));
        }
        if let Some(rest) = self.rest.strip_prefix('{') {
            self.rest = rest;
            return self.list().map(|list| (list, Ok(())));
        }
        let (text, _) = self.until(&[',']);
        Ok((self.typed(text)?, Ok(())))
    }

    fn list(&mut self) -> Step<Value> {
        let mut items = Vec::new();
        loop {
            let (text, stop) = self.until(&[',', '}']);
            let Some(stop) = stop else { return wrong("list must terminate with '}'") };
            items.push(self.typed(text)?);
            if stop == '}' {
                self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
                return Ok(Value::Array(items));
            }
        }
    }

    fn json(&mut self) -> Step<(Value, Step<()>)> {
        if self.skip_empty() {
            return Ok((Value::Null, Ok(())));
        }
        match json::read_first(self.rest.as_bytes()) {
            Ok((value, end)) => {
                self.rest = &self.rest[end..];
                self.skip_empty();
                Ok((super::as_floats(value), Ok(())))
            }
            Err(ReadError::End { blank: true, .. }) => Err(Stop::End),
            Err(error) => wrong(error.of_stream()),
        }
    }

    /// Skips blanks and one comma; tells whether there was nothing else.
    fn skip_empty(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(',') {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => self.rest.is_empty(),
        }
    }

    fn typed(&self, text: String) -> Step<Value> {
        match self.mode {
            Mode::Text => Ok(Value::String(text)),
            Mode::File(read) => read(&text).map(Value::String).map_err(Stop::Wrong),
            _ => Ok(typed(text)),
        }
    }
}

/// Makes words for bools and null and whole numbers what they are.
fn typed(text: String) -> Value {
    if text.eq_ignore_ascii_case("true") {
        return Value::Bool(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Value::Bool(false);
    }
    if text.eq_ignore_ascii_case("null") {
        return Value::Null;
    }
    // A leading zero is text, but for zero itself.
    if (text == "0" || !text.starts_with('0'))
        && let Ok(number) = text.parse::<i64>()
    {
        return Value::Number(number.into());
    }
    Value::String(text)
}

fn put(map: &mut Map<String, Value>, key: &str, value: Value) {
    if !key.is_empty() {
        map.insert(key.to_owned(), value);
    }
}

fn put_at(list: &mut Vec<Value>, index: usize, value: Value) -> Step<()> {
    if index > MAX_INDEX {
        return wrong(format!("index of {index} is greater than maximum supported index of {MAX_INDEX}"));
    }
    if list.len() <= index {
        list.resize(index + 1, Value::Null);
    }
    list[index] = value;
    Ok(())
}

/// What a recovered panic of a failed type assertion prints.
fn conversion(found: &Value, wanted: &str) -> String {
    let found = match found {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    format!("unable to parse key: interface conversion: interface {{}} is {found}, not {wanted}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    type Setter = fn(&mut Map<String, Value>, &str) -> Result<(), ValuesError>;

    fn check(setter: Setter, expression: &str, expect: Value) {
        let mut values = Map::new();
        let result = setter(&mut values, expression).map(|()| Value::Object(values)).map_err(|error| error.0);
        assert_eq!(result, Ok(expect), "{expression}");
    }

    fn fails(expression: &str, expect: &str) {
        assert_eq!(set(&mut Map::new(), expression).map_err(|error| error.0), Err(expect.to_owned()), "{expression}");
    }

    #[test]
    fn sets_typed_values() {
        check(
            set,
            "a=1,b=true,c=null,d=x,e=012,f=0,g=1.5,h=-3",
            json!({"a": 1, "b": true, "c": null, "d": "x", "e": "012", "f": 0, "g": "1.5", "h": -3}),
        );
        check(set, "a.b.c=x,a.b.d=y", json!({"a": {"b": {"c": "x", "d": "y"}}}));
        check(set, "a={x,1,},b=z", json!({"a": ["x", 1, ""], "b": "z"}));
        check(set, "a[0].b=1,a[0].c=2,a[2]=x", json!({"a": [{"b": 1, "c": 2}, null, "x"]}));
        check(set, "a[0][1]=x", json!({"a": [[null, "x"]]}));
        check(set, "a\\.b=x\\,y", json!({"a.b": "x,y"}));
        check(set, "a=", json!({"a": ""}));
        check(set_string, "a=1,b=true", json!({"a": "1", "b": "true"}));
    }

    #[test]
    fn sets_what_files_hold() {
        let mut values = Map::new();
        let read = |path: &str| if path.is_empty() { Err("open : no such file".to_owned()) } else { Ok(format!("<{path}>")) };
        set_file(&mut values, "a=x\\,y,b={1,2},c.d[1]=z,e=", &read).unwrap();
        assert_eq!(Value::Object(values), json!({"a": "<x,y>", "b": ["<1>", "<2>"], "c": {"d": [null, "<z>"]}, "e": ""}));
        let failed = set_file(&mut Map::new(), "a={}", &read).map_err(|error| error.0);
        assert_eq!(failed, Err("open : no such file".to_owned()));
    }

    #[test]
    fn sets_json_and_literals() {
        check(set_json, "a={\"b\": 1},c=[1,\"x\"],d=", json!({"a": {"b": 1.0}, "c": [1.0, "x"], "d": null}));
        check(set_json, "{\"a\": {\"b\": 2}}", json!({"a": {"b": 2.0}}));
        check(set_literal, "a.b=x,y={z}\\", json!({"a": {"b": "x,y={z}\\"}}));
    }

    #[test]
    fn refuses_nonsense() {
        fails("a", "key \"a\" has no value");
        fails("a,b=1", "key \"a\" has no value (cannot end with ,)");
        fails("a={x", "list must terminate with '}'");
        fails("a[-1]=x", "negative -1 index not allowed");
        fails("a[99999]=x", "index of 99999 is greater than maximum supported index of 65536");
        fails("a[0]b=1", "unexpected data at end of array index: ['b']");
        fails("a=1,a.b=2", "unable to parse key: interface conversion: interface {} is int64, not map[string]interface {}");
        let deep = format!("{}=1", ["a"; 40].join("."));
        fails(&deep, "value name nested level is greater than maximum supported nested level of 30");
    }
}
