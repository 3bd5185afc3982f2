//! Reads JSON as `encoding/json` does, with its error texts (`scanner.go`, `decode.go` of Go 1.26): lone surrogates and invalid bytes
//! become U+FFFD, the last of equal keys wins.

use serde_json::{Map, Number, Value};

/// How deep values may nest. Go allows 10,000; ours are read on smaller stacks.
const MAX_DEPTH: usize = 1_000;

/// Why a text is no JSON value; displays as `json.Unmarshal` words it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The text ends too early.
    #[error("{message}")]
    End {
        /// Whether there was nothing but blanks.
        blank: bool,
        /// What Go says, which takes the end for a blank.
        message: String,
    },
    /// A character that cannot be there, in Go's words.
    #[error("{0}")]
    Invalid(String),
    /// A number that no float64 holds; Go reads on and leaves null in its place.
    #[error("json: cannot unmarshal number {number} into Go value of type float64")]
    TooLarge {
        /// The number.
        number: String,
        /// Everything else.
        value: Value,
    },
}

impl ReadError {
    /// Words the error as `json.Decoder` does, which reads from a stream.
    pub fn of_stream(&self) -> String {
        match self {
            ReadError::End { blank: true, .. } => "EOF".to_owned(),
            ReadError::End { blank: false, .. } => "unexpected EOF".to_owned(),
            other => other.to_string(),
        }
    }
}

type Read<T> = Result<T, ReadError>;

/// Reads one value that is the whole text, as `json.Unmarshal` does.
///
/// Numbers stay integers where 64 bits hold them.
pub fn read(text: &[u8]) -> Read<Value> {
    let mut reader = Reader { text, at: 0, out_of_range: None };
    let value = reader.value(0)?;
    reader.blanks();
    match reader.peek() {
        Some(_) => Err(reader.invalid("after top-level value")),
        None => reader.finish(value),
    }
}

/// Reads the value at the start of a text and says where it ends, as one call of `json.Decoder` does.
pub fn read_first(text: &[u8]) -> Read<(Value, usize)> {
    let mut reader = Reader { text, at: 0, out_of_range: None };
    let value = reader.value(0)?;
    let end = reader.at;
    reader.finish(value).map(|value| (value, end))
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// The first number that a float64 cannot hold; Go reports it once the whole text has proved to be JSON.
    out_of_range: Option<String>,
}

impl Reader<'_> {
    fn finish(self, value: Value) -> Read<Value> {
        match self.out_of_range {
            Some(number) => Err(ReadError::TooLarge { number, value }),
            None => Ok(value),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Words the complaint about the byte at hand.
    fn invalid(&self, context: &str) -> ReadError {
        match self.peek() {
            None => {
                // A blank may stand between tokens, and in a string, but nowhere inside of any other token.
                let inside = context.starts_with("in ") && context != "in string literal" || context.contains("numeric literal");
                let message = if inside { format!("invalid character ' ' {context}") } else { "unexpected end of JSON input".to_owned() };
                ReadError::End { blank: self.text.iter().all(u8::is_ascii_whitespace), message }
            }
            Some(byte) => ReadError::Invalid(format!("invalid character {} {context}", quoted(byte))),
        }
    }

    fn value(&mut self, depth: usize) -> Read<Value> {
        if depth > MAX_DEPTH {
            return Err(ReadError::Invalid("exceeded max depth".to_owned()));
        }
        self.blanks();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            _ => Err(self.invalid("looking for beginning of value")),
        }
    }

    fn literal(&mut self, word: &str, value: Value) -> Read<Value> {
        for expected in word.bytes() {
            if self.peek() != Some(expected) {
                return Err(self.invalid(&format!("in literal {word} (expecting {})", quoted(expected))));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Read<Value> {
        self.at += 1;
        let mut items = Vec::new();
        self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::Array(items));
                }
                _ => return Err(self.invalid("after array element")),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Read<Value> {
        self.at += 1;
        let mut map = Map::new();
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(map));
        }
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                return Err(self.invalid("looking for beginning of object key string"));
            }
            let key = self.string()?;
            self.blanks();
            if self.peek() != Some(b':') {
                return Err(self.invalid("after object key"));
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            map.insert(key, value);
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(map));
                }
                _ => return Err(self.invalid("after object key:value pair")),
            }
        }
    }

    fn number(&mut self) -> Read<Value> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.invalid("in numeric literal")),
        }
        let mut is_integer = true;
        if self.peek() == Some(b'.') {
            is_integer = false;
            self.at += 1;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_integer = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits("in exponent of numeric literal")?;
        }
        let text = String::from_utf8_lossy(&self.text[start..self.at]).into_owned();
        Ok(self.number_of(text, is_integer))
    }

    fn number_of(&mut self, text: String, is_integer: bool) -> Value {
        // There is no integer -0.
        if is_integer && text != "-0" {
            if let Ok(number) = text.parse::<i64>() {
                return number.into();
            }
            if let Ok(number) = text.parse::<u64>() {
                return number.into();
            }
        }
        match text.parse::<f64>().ok().and_then(Number::from_f64) {
            Some(number) => Value::Number(number),
            None => {
                self.out_of_range.get_or_insert(text);
                Value::Null
            }
        }
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self, context: &str) -> Read<()> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.invalid(context));
        }
        self.digits();
        Ok(())
    }

    fn string(&mut self) -> Read<String> {
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(lossy(&bytes));
                }
                Some(b'\\') => self.escape(&mut bytes)?,
                Some(byte) if byte >= 0x20 => {
                    bytes.push(byte);
                    self.at += 1;
                }
                _ => return Err(self.invalid("in string literal")),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Read<()> {
        self.at += 1;
        let plain = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.unicode(out),
            _ => return Err(self.invalid("in string escape code")),
        };
        self.at += 1;
        out.push(plain);
        Ok(())
    }

    fn unicode(&mut self, out: &mut Vec<u8>) -> Read<()> {
        let mut code = self.hexadecimal()?;
        let is_high = (0xd800..0xdc00).contains(&code);
        if is_high && self.text[self.at..].starts_with(b"\\u") {
            let back = self.at;
            self.at += 1;
            let low = self.hexadecimal()?;
            if (0xdc00..0xe000).contains(&low) {
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            } else {
                self.at = back;
            }
        }
        let c = char::from_u32(code).unwrap_or('\u{fffd}');
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    /// Reads the four digits after the `u` at hand.
    fn hexadecimal(&mut self) -> Read<u32> {
        self.at += 1;
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) else {
                return Err(self.invalid("in \\u hexadecimal character escape"));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }
}

/// Makes text of bytes: each byte that belongs to no character becomes U+FFFD.
fn lossy(mut bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    loop {
        match std::str::from_utf8(bytes) {
            Ok(rest) => {
                text.push_str(rest);
                return text;
            }
            Err(error) => {
                text.push_str(std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default());
                text.push('\u{fffd}');
                bytes = &bytes[error.valid_up_to() + 1..];
            }
        }
    }
}

/// Quotes one byte as Go's `quoteChar` does: the byte is taken for a character.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\\' => r"'\\'".to_owned(),
        7 => r"'\a'".to_owned(),
        8 => r"'\b'".to_owned(),
        9 => r"'\t'".to_owned(),
        10 => r"'\n'".to_owned(),
        11 => r"'\v'".to_owned(),
        12 => r"'\f'".to_owned(),
        13 => r"'\r'".to_owned(),
        0..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..0xa1 | 0xad => format!("'\\u{byte:04x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fails(text: &str, expect: &str) {
        assert_eq!(read(text.as_bytes()).map_err(|error| error.to_string()), Err(expect.to_owned()), "{text}");
    }

    #[test]
    fn reads_what_go_reads() {
        let check = |text: &str, expect: Value| assert_eq!(read(text.as_bytes()), Ok(expect), "{text}");
        check(r#" {"a": [1, -2.5, 1e3, true, null, "\u00e9\ud83d\ude00\n"], "a": 2} "#, json!({"a": 2}));
        check(r#""\ud800x""#, json!("\u{fffd}x"));
        check("18446744073709551615", json!(18_446_744_073_709_551_615_u64));
        assert_eq!(read(b"\"\xff\xc3\""), Ok(json!("\u{fffd}\u{fffd}")));
        assert_eq!(read_first(b"[1] x"), Ok((json!([1]), 3)));
    }

    #[test]
    fn words_errors_as_go_does() {
        fails("", "unexpected end of JSON input");
        fails("{\"a\":", "unexpected end of JSON input");
        fails("{'a':1}", "invalid character '\\'' looking for beginning of object key string");
        fails("[1,]", "invalid character ']' looking for beginning of value");
        fails("[1 2]", "invalid character '2' after array element");
        fails("{\"a\" 1}", "invalid character '1' after object key");
        fails("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair");
        fails("01", "invalid character '1' after top-level value");
        fails("nul x", "invalid character ' ' in literal null (expecting 'l')");
        fails("1.", "invalid character ' ' after decimal point in numeric literal");
        fails("t", "invalid character ' ' in literal true (expecting 'r')");
        fails("\"a", "unexpected end of JSON input");
        fails("1.x", "invalid character 'x' after decimal point in numeric literal");
        fails("\"\\q\"", "invalid character 'q' in string escape code");
        fails("\"\n\"", "invalid character '\\n' in string literal");
        fails("\"\\u12g4\"", "invalid character 'g' in \\u hexadecimal character escape");
        fails("1e400", "json: cannot unmarshal number 1e400 into Go value of type float64");
        fails("é", "invalid character 'Ã' looking for beginning of value");
        fails(&"[".repeat(100_000), "exceeded max depth");
        assert_eq!(read(b"  ").map_err(|error| error.of_stream()), Err("EOF".to_owned()));
        assert_eq!(read(b"[").map_err(|error| error.of_stream()), Err("unexpected EOF".to_owned()));
    }
}
