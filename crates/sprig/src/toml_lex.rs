//! Splits TOML into items, with the errors of BurntSushi/toml 1.6 (`lex.go`): a state machine, of which every state is one of Go's.

use std::collections::VecDeque;

use go_template::quote::{self, quote_rune};

/// Is what an item stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Eof,
    Text,
    String,
    StringEscaped,
    RawString,
    MultilineString,
    RawMultilineString,
    Bool,
    Integer,
    Float,
    Datetime,
    Array,
    ArrayEnd,
    TableStart,
    TableEnd,
    ArrayTableStart,
    ArrayTableEnd,
    KeyStart,
    KeyEnd,
    CommentStart,
    InlineTableStart,
    InlineTableEnd,
}

/// Is an item and the line it ends in.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub kind: Kind,
    pub text: String,
    pub line: usize,
}

/// Is a mistake and the line that Go names for it.
#[derive(Clone, Debug)]
pub(crate) struct Mistake {
    pub line: usize,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Top,
    TopEnd,
    TableEnd,
    ArrayTableEnd,
    TableNameStart,
    TableNameEnd,
    BareName,
    QuotedName,
    KeyStart,
    KeyNameStart,
    KeyEnd,
    Value,
    ArrayValue,
    ArrayValueEnd,
    InlineTableValue,
    InlineTableValueEnd,
    String,
    MultilineString,
    RawString,
    MultilineRawString,
    NumberOrDate,
    Datetime,
    Digits(u32),
    DecimalNumber,
    Float,
    Comment,
}

/// What the end of the text counts as.
const EOF: char = '\0';

pub(crate) struct Lexer<'a> {
    input: &'a [u8],
    start: usize,
    pos: usize,
    line: usize,
    state: Option<State>,
    stack: Vec<State>,
    items: VecDeque<Result<Item, Mistake>>,
    escaped: bool,
    widths: Vec<usize>,
    at_eof: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Lexer<'a> {
        Lexer {
            input,
            start: 0,
            pos: 0,
            line: 1,
            state: Some(State::Top),
            stack: Vec::new(),
            items: VecDeque::new(),
            escaped: false,
            widths: Vec::new(),
            at_eof: false,
        }
    }

    /// Returns the next item.
    pub(crate) fn item(&mut self) -> Result<Item, Mistake> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return item;
            }
            self.state = match self.state {
                Some(state) => self.step(state),
                None => return Ok(Item { kind: Kind::Eof, text: String::new(), line: self.line }),
            };
        }
    }

    fn current(&self) -> String {
        String::from_utf8_lossy(&self.input[self.start.min(self.pos)..self.pos]).into_owned()
    }

    fn emit(&mut self, kind: Kind) {
        let text = if kind == Kind::Datetime { self.current().trim().to_owned() } else { self.current() };
        self.items.push_back(Ok(Item { kind, text, line: self.line }));
        self.start = self.pos;
    }

    fn emit_and_pop(&mut self, kind: Kind) -> Option<State> {
        self.backup();
        self.emit(kind);
        self.stack.pop()
    }

    fn next(&mut self) -> char {
        if self.pos >= self.input.len() {
            self.at_eof = true;
            return EOF;
        }
        if self.input[self.pos] == b'\n' {
            self.line += 1;
        }
        let (c, width) = quote::decode(&self.input[self.pos..]);
        let Some(c) = c else {
            let message = format!("invalid UTF-8 byte: 0x{:02x}", self.input[self.pos]);
            self.fail_here(message);
            self.widths.push(0);
            return char::REPLACEMENT_CHARACTER;
        };
        let lone_return = c == '\r' && self.input.get(self.pos + 1) != Some(&b'\n');
        if (c.is_ascii_control() && !matches!(c, '\t' | '\r' | '\n')) || lone_return {
            let message = format!("TOML files cannot contain control characters: '0x{:02x}'", u32::from(c));
            self.items.push_back(Err(Mistake { line: self.line, message }));
            self.widths.push(0);
            return char::REPLACEMENT_CHARACTER;
        }
        self.widths.push(width);
        self.pos += width;
        c
    }

    fn backup(&mut self) {
        if std::mem::take(&mut self.at_eof) {
            return;
        }
        self.pos -= self.widths.pop().unwrap_or(0);
        if self.input.get(self.pos) == Some(&b'\n') {
            self.line -= 1;
        }
    }

    fn peek(&mut self) -> char {
        let c = self.next();
        self.backup();
        c
    }

    fn accept(&mut self, wanted: char) -> bool {
        let found = self.next() == wanted && !self.at_eof;
        if !found {
            self.backup();
        }
        found
    }

    fn ignore(&mut self) {
        self.start = self.pos;
        // Go remembers four characters; nothing steps back further than that.
        let keep = self.widths.len().saturating_sub(4);
        self.widths.drain(..keep);
    }

    fn skip_blanks(&mut self) {
        while is_blank(self.next()) {}
        self.backup();
        self.ignore();
    }

    /// Go's `errorf`: at the end of the text, a mistake belongs to the last line with text.
    fn fail(&mut self, message: impl Into<String>) -> Option<State> {
        let after_break = self.at_eof && self.pos >= 1 && self.input[self.pos - 1] == b'\n';
        self.items.push_back(Err(Mistake { line: self.line - usize::from(after_break), message: message.into() }));
        None
    }

    /// Go's `error`.
    fn fail_here(&mut self, message: String) -> Option<State> {
        if self.at_eof {
            return self.fail_before(message);
        }
        self.items.push_back(Err(Mistake { line: self.line, message }));
        None
    }

    /// Go's `errorPrevLine`.
    fn fail_before(&mut self, message: impl Into<String>) -> Option<State> {
        self.items.push_back(Err(Mistake { line: self.line - 1, message: message.into() }));
        None
    }

    fn skip(&mut self, state: State) -> Option<State> {
        self.ignore();
        Some(state)
    }

    fn comment(&mut self, back: State) -> Option<State> {
        self.stack.push(back);
        self.ignore();
        self.emit(Kind::CommentStart);
        Some(State::Comment)
    }

    fn step(&mut self, state: State) -> Option<State> {
        match state {
            State::Top => self.top(),
            State::TopEnd => self.top_end(),
            State::TableEnd => {
                self.emit(Kind::TableEnd);
                Some(State::TopEnd)
            }
            State::ArrayTableEnd => match self.next() {
                ']' => {
                    self.emit(Kind::ArrayTableEnd);
                    Some(State::TopEnd)
                }
                c => self.fail(format!("expected end of table array name delimiter ']', but got {} instead", quoted(c))),
            },
            State::TableNameStart => self.table_name_start(),
            State::TableNameEnd => self.table_name_end(),
            State::BareName => match self.next() {
                c if is_bare(c) => Some(State::BareName),
                _ => self.emit_and_pop(Kind::Text),
            },
            State::QuotedName => self.quoted_name(),
            State::KeyStart => self.key_start(),
            State::KeyNameStart => self.key_name_start(),
            State::KeyEnd => self.key_end(),
            State::Value => self.value(),
            State::ArrayValue => self.array_value(),
            State::ArrayValueEnd => self.array_value_end(),
            State::InlineTableValue => self.inline_table_value(),
            State::InlineTableValueEnd => self.inline_table_value_end(),
            State::String => self.string(),
            State::MultilineString => self.multiline_string(),
            State::RawString => self.raw_string(),
            State::MultilineRawString => self.multiline_raw_string(),
            State::NumberOrDate => match self.next() {
                '0'..='9' => Some(State::NumberOrDate),
                '-' | ':' => Some(State::Datetime),
                '_' => Some(State::DecimalNumber),
                '.' | 'e' | 'E' => Some(State::Float),
                _ => self.emit_and_pop(Kind::Integer),
            },
            State::Datetime => match self.next() {
                '0'..='9' | '-' | ':' | 'T' | 't' | ' ' | '.' | 'Z' | 'z' | '+' => Some(State::Datetime),
                _ => self.emit_and_pop(Kind::Datetime),
            },
            State::Digits(radix) => match self.next() {
                c if c.is_digit(radix) || c == '_' => Some(State::Digits(radix)),
                _ => self.emit_and_pop(Kind::Integer),
            },
            State::DecimalNumber => match self.next() {
                '0'..='9' | '_' => Some(State::DecimalNumber),
                '.' | 'e' | 'E' => Some(State::Float),
                _ => self.emit_and_pop(Kind::Integer),
            },
            State::Float => match self.next() {
                '0'..='9' | '_' | '.' | '-' | '+' | 'e' | 'E' => Some(State::Float),
                _ => self.emit_and_pop(Kind::Float),
            },
            State::Comment => match self.next() {
                '\n' | '\r' | EOF => self.emit_and_pop(Kind::Text),
                _ => Some(State::Comment),
            },
        }
    }

    fn top(&mut self) -> Option<State> {
        match self.next() {
            ' ' | '\t' | '\n' | '\r' => self.skip(State::Top),
            '#' => self.comment(State::Top),
            '[' => self.table_start(),
            EOF => {
                self.emit(Kind::Eof);
                None
            }
            _ => {
                self.backup();
                self.stack.push(State::TopEnd);
                Some(State::KeyStart)
            }
        }
    }

    fn top_end(&mut self) -> Option<State> {
        match self.next() {
            '#' => self.comment(State::Top),
            ' ' | '\t' => Some(State::TopEnd),
            '\n' | '\r' => self.skip(State::Top),
            EOF => {
                self.emit(Kind::Eof);
                None
            }
            c => self.fail(format!("expected a top-level item to end with a newline, comment, or EOF, but got {} instead", quoted(c))),
        }
    }

    fn table_start(&mut self) -> Option<State> {
        if self.peek() == '[' {
            self.next();
            self.emit(Kind::ArrayTableStart);
            self.stack.push(State::ArrayTableEnd);
        } else {
            self.emit(Kind::TableStart);
            self.stack.push(State::TableEnd);
        }
        Some(State::TableNameStart)
    }

    fn table_name_start(&mut self) -> Option<State> {
        self.skip_blanks();
        match self.peek() {
            ']' | EOF => self.fail("unexpected end of table name (table names cannot be empty)"),
            '.' => self.fail("unexpected table separator (table names cannot be empty)"),
            '"' | '\'' => {
                self.ignore();
                self.stack.push(State::TableNameEnd);
                Some(State::QuotedName)
            }
            _ => {
                self.stack.push(State::TableNameEnd);
                Some(State::BareName)
            }
        }
    }

    fn table_name_end(&mut self) -> Option<State> {
        self.skip_blanks();
        match self.next() {
            '.' => self.skip(State::TableNameStart),
            ']' => self.stack.pop(),
            c => self.fail(format!("expected '.' or ']' to end table name, but got {} instead", quoted(c))),
        }
    }

    fn quoted_name(&mut self) -> Option<State> {
        match self.next() {
            '"' => self.skip(State::String),
            '\'' => self.skip(State::RawString),
            c => self.fail(format!("expected value but found {} instead", quoted(c))),
        }
    }

    fn key_start(&mut self) -> Option<State> {
        self.skip_blanks();
        match self.peek() {
            '=' | EOF => return self.fail("unexpected '=': key name appears blank"),
            '.' => return self.fail("unexpected '.': keys cannot start with a '.'"),
            '"' | '\'' => self.ignore(),
            _ => {}
        }
        self.emit(Kind::KeyStart);
        Some(State::KeyNameStart)
    }

    fn key_name_start(&mut self) -> Option<State> {
        self.skip_blanks();
        match self.peek() {
            '=' | EOF => self.fail("unexpected '='"),
            '.' => self.fail("unexpected '.'"),
            '"' | '\'' => {
                self.ignore();
                self.stack.push(State::KeyEnd);
                Some(State::QuotedName)
            }
            _ => {
                self.stack.push(State::KeyEnd);
                Some(State::BareName)
            }
        }
    }

    fn key_end(&mut self) -> Option<State> {
        self.skip_blanks();
        match self.next() {
            EOF => self.fail("unexpected EOF; expected key separator '='"),
            '.' => self.skip(State::KeyNameStart),
            '=' => {
                self.emit(Kind::KeyEnd);
                self.skip(State::Value)
            }
            '\n' => self.fail_before("expected '.' or '=', but got '\\n' instead"),
            c => self.fail(format!("expected '.' or '=', but got {} instead", quoted(c))),
        }
    }

    fn value(&mut self) -> Option<State> {
        let c = self.next();
        match c {
            ' ' | '\t' => return self.skip(State::Value),
            '0' => return self.base_number_or_date(),
            '1'..='9' => return Some(State::NumberOrDate),
            '[' => {
                self.ignore();
                self.emit(Kind::Array);
                return Some(State::ArrayValue);
            }
            '{' => {
                self.ignore();
                self.emit(Kind::InlineTableStart);
                return Some(State::InlineTableValue);
            }
            '"' => return self.opening('"', State::String, State::MultilineString),
            '\'' => return self.opening('\'', State::RawString, State::MultilineRawString),
            '.' => return self.fail("floats must start with a digit, not '.'"),
            'i' | 'n' if (self.accept('n') && self.accept('f')) || (self.accept('a') && self.accept('n')) => {
                self.emit(Kind::Float);
                return self.stack.pop();
            }
            '-' | '+' => return self.signed(),
            _ => {}
        }
        match c {
            EOF => self.fail("unexpected EOF; expected value"),
            '\n' => self.fail_before("expected value but found '\\n' instead"),
            c if c.is_alphabetic() => {
                self.backup();
                self.word()
            }
            c => self.fail(format!("expected value but found {} instead", quoted(c))),
        }
    }

    /// Reads what opens a string: one quote or three.
    fn opening(&mut self, quote: char, one: State, three: State) -> Option<State> {
        if self.accept(quote) {
            if self.accept(quote) {
                return self.skip(three);
            }
            self.backup();
        }
        self.skip(one)
    }

    fn word(&mut self) -> Option<State> {
        let mut word = String::new();
        loop {
            let c = self.next();
            if !c.is_alphabetic() {
                self.backup();
                break;
            }
            word.push(c);
        }
        if matches!(word.as_str(), "true" | "false") {
            self.emit(Kind::Bool);
            return self.stack.pop();
        }
        self.fail(format!("expected value but found {} instead", quote::quote_text(&word)))
    }

    fn signed(&mut self) -> Option<State> {
        let c = self.next();
        let word = match c {
            'i' => "nf",
            'n' => "an",
            '0' => {
                let base = self.peek();
                if matches!(base, 'b' | 'o' | 'x') {
                    let current = self.current();
                    return self.fail(format!("cannot use sign with non-decimal numbers: '{current}{base}'"));
                }
                return Some(State::DecimalNumber);
            }
            '.' => return self.fail("floats must start with a digit, not '.'"),
            '1'..='9' => return Some(State::DecimalNumber),
            c => return self.fail(format!("expected a digit but got {}", quoted(c))),
        };
        if word.chars().all(|c| self.accept(c)) {
            self.emit(Kind::Float);
            return self.stack.pop();
        }
        let current = self.current();
        self.fail(format!("invalid float: '{current}'"))
    }

    fn base_number_or_date(&mut self) -> Option<State> {
        let (radix, name) = match self.next() {
            '0'..='9' => return Some(State::NumberOrDate),
            '_' => return Some(State::DecimalNumber),
            '.' | 'e' | 'E' => return Some(State::Float),
            'b' => (2, "a binary"),
            'o' => (8, "an octal"),
            'x' => (16, "a hexadecimal"),
            _ => return self.emit_and_pop(Kind::Integer),
        };
        let c = self.peek();
        if !c.is_digit(radix) {
            let current = self.current();
            self.fail(format!("not {name} number: '{current}{c}'"));
        }
        Some(State::Digits(radix))
    }

    fn array_value(&mut self) -> Option<State> {
        match self.next() {
            ' ' | '\t' | '\n' | '\r' => self.skip(State::ArrayValue),
            '#' => self.comment(State::ArrayValue),
            ',' => self.fail("unexpected comma"),
            ']' => self.array_end(),
            _ => {
                self.backup();
                self.stack.push(State::ArrayValueEnd);
                Some(State::Value)
            }
        }
    }

    fn array_value_end(&mut self) -> Option<State> {
        match self.next() {
            ' ' | '\t' | '\n' | '\r' => self.skip(State::ArrayValueEnd),
            '#' => self.comment(State::ArrayValueEnd),
            ',' => self.skip(State::ArrayValue),
            ']' => self.array_end(),
            c => self.fail(format!("expected a comma (',') or array terminator (']'), but got {}", or_end(c))),
        }
    }

    fn array_end(&mut self) -> Option<State> {
        self.ignore();
        self.emit(Kind::ArrayEnd);
        self.stack.pop()
    }

    fn inline_table_value(&mut self) -> Option<State> {
        match self.next() {
            ' ' | '\t' | '\n' | '\r' => self.skip(State::InlineTableValue),
            '#' => self.comment(State::InlineTableValue),
            ',' => self.fail("unexpected comma"),
            '}' => self.inline_table_end(),
            _ => {
                self.backup();
                self.stack.push(State::InlineTableValueEnd);
                Some(State::KeyStart)
            }
        }
    }

    fn inline_table_value_end(&mut self) -> Option<State> {
        match self.next() {
            ' ' | '\t' | '\n' | '\r' => self.skip(State::InlineTableValueEnd),
            '#' => self.comment(State::InlineTableValueEnd),
            ',' => {
                self.ignore();
                self.skip_blanks();
                Some(if self.peek() == '}' { State::InlineTableValueEnd } else { State::InlineTableValue })
            }
            '}' => self.inline_table_end(),
            c => self.fail(format!("expected a comma or an inline table terminator '}}', but got {} instead", or_end(c))),
        }
    }

    fn inline_table_end(&mut self) -> Option<State> {
        self.ignore();
        self.emit(Kind::InlineTableEnd);
        self.stack.pop()
    }

    /// Emits a string up to the quotes just read, so many of them, and drops those.
    fn string_end(&mut self, kind: Kind, quotes: usize) -> Option<State> {
        (0..quotes).for_each(|_| self.backup());
        self.emit(kind);
        (0..quotes).for_each(|_| {
            self.next();
        });
        self.ignore();
        self.stack.pop()
    }

    fn string(&mut self) -> Option<State> {
        match self.next() {
            EOF => self.fail("unexpected EOF; expected '\"'"),
            '\n' | '\r' => self.fail_before("strings cannot contain newlines"),
            '\\' => {
                self.stack.push(State::String);
                self.escape()
            }
            '"' => {
                let kind = if std::mem::take(&mut self.escaped) { Kind::StringEscaped } else { Kind::String };
                self.string_end(kind, 1)
            }
            _ => Some(State::String),
        }
    }

    fn raw_string(&mut self) -> Option<State> {
        match self.next() {
            EOF => self.fail("unexpected EOF; expected \"'\""),
            '\n' | '\r' => self.fail_before("strings cannot contain newlines"),
            '\'' => self.string_end(Kind::RawString, 1),
            _ => Some(State::RawString),
        }
    }

    fn multiline_string(&mut self) -> Option<State> {
        match self.next() {
            EOF => self.fail("unexpected EOF; expected '\"\"\"'"),
            '\\' => {
                if matches!(self.next(), '\n' | '\r') {
                    return Some(State::MultilineString);
                }
                self.backup();
                self.stack.push(State::MultilineString);
                self.escape()
            }
            '"' => self.triple('"', State::MultilineString, Kind::MultilineString),
            _ => Some(State::MultilineString),
        }
    }

    fn multiline_raw_string(&mut self) -> Option<State> {
        match self.next() {
            EOF => self.fail("unexpected EOF; expected \"'''\""),
            '\'' => self.triple('\'', State::MultilineRawString, Kind::RawMultilineString),
            _ => Some(State::MultilineRawString),
        }
    }

    /// Looks for the two other quotes that end a string of several lines; two more may stand before them.
    fn triple(&mut self, quote: char, state: State, kind: Kind) -> Option<State> {
        if !self.accept(quote) {
            return Some(state);
        }
        if !self.accept(quote) {
            self.backup();
            return Some(state);
        }
        if self.peek() == quote {
            let five = quote.to_string().repeat(5);
            let current = self.current();
            if current.ends_with(&five) && !(quote == '"' && current.ends_with(&format!("\\{five}"))) {
                return self.fail(if quote == '"' { "unexpected '\"\"\"\"\"\"'" } else { "unexpected \"''''''\"" });
            }
            self.backup();
            self.backup();
            return Some(state);
        }
        self.escaped = false;
        self.string_end(kind, 3)
    }

    fn escape(&mut self) -> Option<State> {
        self.escaped = true;
        let (count, name, letter) = match self.next() {
            'e' | 'b' | 't' | 'n' | 'f' | 'r' | '"' | ' ' | '\t' | '\\' => return self.stack.pop(),
            'x' => (2, "two", 'x'),
            'u' => (4, "four", 'u'),
            'U' => (8, "eight", 'U'),
            c => return self.fail_here(format!("invalid escape in string '\\{c}'")),
        };
        for _ in 0..count {
            if !self.next().is_ascii_hexdigit() {
                let current = quote::quote_text(&self.current());
                return self.fail(format!("expected {name} hexadecimal digits after '\\{letter}', but got {current} instead"));
            }
        }
        self.stack.pop()
    }
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// Prints a character as `%q` does.
fn quoted(c: char) -> String {
    quote_rune(i64::from(u32::from(c)), false)
}

fn or_end(c: char) -> String {
    if c == EOF { "end of file".to_owned() } else { format!("'{c}'") }
}
