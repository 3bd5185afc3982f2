//! The scanner: splits template text into the tokens of Go's text/template, with Go's error texts.
//!
//! Works on bytes, since Go copies text outside of actions unchanged whatever its encoding.

use crate::quote::{decode, is_alphanumeric};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Error(Fault),
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    // Keywords.
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl Kind {
    fn is_keyword(self) -> bool {
        use Kind as K;
        let keywords = [K::Block, K::Break, K::Continue, K::Dot, K::Define, K::Else, K::End, K::If, K::Nil, K::Range, K::Template, K::With];
        keywords.contains(&self)
    }
}

/// Says why the scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Needs no more than these words.
    Plain(&'static str),
    /// At the end of the text there is none.
    BadCharacter(Option<char>),
    Unrecognized(char),
    /// The token is what was taken for one.
    BadNumber,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub kind: Kind,
    pub pos: usize,
    pub val: &'a [u8],
    pub line: usize,
}

impl Token<'_> {
    /// Returns the token as Go prints it in errors.
    pub(crate) fn printed(&self) -> String {
        match self.kind {
            Kind::Eof => "EOF".to_owned(),
            Kind::Error(Fault::Plain(message)) => message.to_owned(),
            Kind::Error(Fault::BadCharacter(c)) => format!("bad character {}", unicode(c)),
            Kind::Error(Fault::Unrecognized(c)) => format!("unrecognized character in action: {}", unicode(Some(c))),
            Kind::Error(Fault::BadNumber) => format!("bad number syntax: {}", crate::quote::quote(self.val)),
            kind if kind.is_keyword() => format!("<{}>", String::from_utf8_lossy(self.val)),
            _ if self.val.len() > 10 => {
                let end = crate::quote::chars(self.val).take(10).map(|(_, part)| part.len()).sum();
                format!("{}...", crate::quote::quote(&self.val[..end]))
            }
            _ => crate::quote::quote(self.val),
        }
    }
}

pub(crate) struct Lexer<'a> {
    input: &'a [u8],
    pos: usize,
    start: usize,
    paren_depth: usize,
    line: usize,
    start_line: usize,
    inside_action: bool,
}

const LEFT: &[u8; 2] = b"{{";
const RIGHT: &[u8] = b"}}";
const TRIM_MARKER_LEN: usize = 2;

fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\r' | b'\n')
}

/// Finds two bytes in a row; mostly they are near.
fn find(haystack: &[u8], [first, second]: &[u8; 2]) -> Option<usize> {
    memchr::memchr_iter(*first, haystack).find(|at| haystack.get(at + 1) == Some(second))
}

fn newlines(bytes: &[u8]) -> usize {
    const SHORT: usize = 16;
    match bytes.len() {
        0..SHORT => bytes.iter().filter(|byte| **byte == b'\n').count(),
        _ => memchr::memchr_iter(b'\n', bytes).count(),
    }
}

/// Which bytes are of a word and no part of a longer character.
const IN_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_';
        byte += 1;
    }
    table
};

fn has_left_trim_marker(s: &[u8]) -> bool {
    s.len() >= 2 && s[0] == b'-' && is_space(s[1])
}

fn has_right_trim_marker(s: &[u8]) -> bool {
    s.len() >= 2 && is_space(s[0]) && s[1] == b'-'
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Lexer { input, pos: 0, start: 0, paren_depth: 0, line: 1, start_line: 1, inside_action: false }
    }

    fn rest(&self) -> &'a [u8] {
        &self.input[self.pos..]
    }

    /// Takes one character; an invalid byte is U+FFFD as in Go.
    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += decode(self.rest()).1;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        let rest = self.rest();
        if rest.is_empty() { None } else { Some(decode(rest).0.unwrap_or('\u{fffd}')) }
    }

    fn peek_byte(&self) -> u8 {
        self.rest().first().copied().unwrap_or(0)
    }

    fn token(&mut self, kind: Kind) -> Token<'a> {
        let token = Token { kind, pos: self.start, val: &self.input[self.start..self.pos], line: self.start_line };
        self.start = self.pos;
        self.start_line = self.line;
        token
    }

    fn ignore(&mut self) {
        self.line += newlines(&self.input[self.start..self.pos]);
        self.start = self.pos;
        self.start_line = self.line;
    }

    /// Gives an error token and ends the scan.
    fn error(&mut self, fault: Fault) -> Token<'a> {
        let token = Token { kind: Kind::Error(fault), pos: self.start, val: &self.input[self.start..self.pos], line: self.start_line };
        self.input = &[];
        self.pos = 0;
        self.start = 0;
        token
    }

    fn fault(&mut self, message: &'static str) -> Token<'a> {
        self.error(Fault::Plain(message))
    }

    fn accept(&mut self, valid: &[u8]) -> bool {
        let found = !self.rest().is_empty() && valid.contains(&self.peek_byte());
        if found {
            self.pos += 1;
        }
        found
    }

    fn accept_run(&mut self, valid: &[u8]) {
        while self.accept(valid) {}
    }

    pub(crate) fn next_token(&mut self) -> Token<'a> {
        if self.inside_action { self.inside() } else { self.text() }
    }

    fn text(&mut self) -> Token<'a> {
        loop {
            let Some(x) = find(self.rest(), LEFT) else {
                self.pos = self.input.len();
                if self.pos > self.start {
                    self.line += newlines(&self.input[self.start..self.pos]);
                    return self.token(Kind::Text);
                }
                return self.token(Kind::Eof);
            };
            if x > 0 {
                self.pos += x;
                let mut trim = 0;
                if has_left_trim_marker(&self.input[self.pos + LEFT.len()..]) {
                    trim = self.input[self.start..self.pos].iter().rev().take_while(|b| is_space(**b)).count();
                }
                self.pos -= trim;
                self.line += newlines(&self.input[self.start..self.pos]);
                let token = self.token(Kind::Text);
                self.pos += trim;
                self.ignore();
                if !token.val.is_empty() {
                    return token;
                }
            }
            if let Some(token) = self.left_delim() {
                return token;
            }
        }
    }

    /// Gives nothing after a comment.
    fn left_delim(&mut self) -> Option<Token<'a>> {
        self.pos += LEFT.len();
        let after = if has_left_trim_marker(self.rest()) { TRIM_MARKER_LEN } else { 0 };
        if self.input[self.pos + after..].starts_with(b"/*") {
            self.pos += after;
            self.ignore();
            return self.comment();
        }
        let token = self.token(Kind::LeftDelim);
        self.inside_action = true;
        self.pos += after;
        self.ignore();
        self.paren_depth = 0;
        Some(token)
    }

    fn comment(&mut self) -> Option<Token<'a>> {
        self.pos += 2;
        let Some(x) = find(self.rest(), b"*/") else {
            return Some(self.fault("unclosed comment"));
        };
        self.pos += x + 2;
        let Some(trims) = self.at_right_delim() else {
            return Some(self.fault("comment ends before closing delimiter"));
        };
        if trims {
            self.pos += TRIM_MARKER_LEN;
        }
        self.pos += RIGHT.len();
        if trims {
            self.skip_spaces();
        }
        self.ignore();
        None
    }

    fn skip_spaces(&mut self) {
        self.pos += self.rest().iter().take_while(|b| is_space(**b)).count();
    }

    /// Tells whether the right delimiter is here and, if so, whether it trims.
    fn at_right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        if has_right_trim_marker(rest) && rest[TRIM_MARKER_LEN..].starts_with(RIGHT) {
            return Some(true);
        }
        rest.starts_with(RIGHT).then_some(false)
    }

    fn right_delim(&mut self) -> Token<'a> {
        let trims = self.at_right_delim() == Some(true);
        if trims {
            self.pos += TRIM_MARKER_LEN;
            self.ignore();
        }
        self.pos += RIGHT.len();
        let token = self.token(Kind::RightDelim);
        if trims {
            self.skip_spaces();
            self.ignore();
        }
        self.inside_action = false;
        token
    }

    fn inside(&mut self) -> Token<'a> {
        match self.peek_byte() {
            byte if (byte == b'}' || is_space(byte)) && self.at_right_delim().is_some() => {
                if self.paren_depth == 0 {
                    return self.right_delim();
                }
                return self.fault("unclosed left paren");
            }
            byte if is_space(byte) => return self.space(),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => return self.identifier(),
            _ => {}
        }
        let before = self.pos;
        let Some(c) = self.next() else { return self.fault("unclosed action") };
        match c {
            '=' => self.token(Kind::Assign),
            ':' => {
                if self.next() != Some('=') {
                    return self.fault("expected :=");
                }
                self.token(Kind::Declare)
            }
            '|' => self.token(Kind::Pipe),
            '"' => self.quoted('"', Kind::String, "unterminated quoted string"),
            '`' => self.raw_string(),
            '$' => self.field_or_variable(Kind::Variable),
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant"),
            '.' if !self.rest().is_empty() && !self.peek_byte().is_ascii_digit() => self.field_or_variable(Kind::Field),
            '.' | '+' | '-' | '0'..='9' => {
                self.pos = before;
                self.number()
            }
            c if is_alphanumeric(c) => {
                self.pos = before;
                self.identifier()
            }
            '(' => {
                self.paren_depth += 1;
                self.token(Kind::LeftParen)
            }
            ')' => {
                if self.paren_depth == 0 {
                    return self.fault("unexpected right paren");
                }
                self.paren_depth -= 1;
                self.token(Kind::RightParen)
            }
            ' '..='~' => self.token(Kind::Char),
            c => self.error(Fault::Unrecognized(c)),
        }
    }

    fn space(&mut self) -> Token<'a> {
        let count = self.rest().iter().take_while(|b| is_space(**b)).count();
        self.line += newlines(&self.rest()[..count]);
        self.pos += count;
        let last = &self.input[self.pos - 1..];
        if has_right_trim_marker(last) && last[TRIM_MARKER_LEN..].starts_with(RIGHT) {
            if last[0] == b'\n' {
                self.line -= 1;
            }
            self.pos -= 1;
            if count == 1 {
                return self.right_delim();
            }
        }
        self.token(Kind::Space)
    }

    /// Returns what comes after the word.
    fn take_alphanumeric(&mut self) -> Option<char> {
        loop {
            self.pos += self.rest().iter().take_while(|byte| IN_WORD[usize::from(**byte)]).count();
            match self.peek() {
                Some(c) if !c.is_ascii() && is_alphanumeric(c) => self.next(),
                other => return other,
            };
        }
    }

    fn identifier(&mut self) -> Token<'a> {
        let stop = self.take_alphanumeric();
        let word = &self.input[self.start..self.pos];
        if !self.at_terminator() {
            return self.error(Fault::BadCharacter(stop));
        }
        let kind = match word {
            b"block" => Kind::Block,
            b"break" => Kind::Break,
            b"continue" => Kind::Continue,
            b"define" => Kind::Define,
            b"else" => Kind::Else,
            b"end" => Kind::End,
            b"if" => Kind::If,
            b"range" => Kind::Range,
            b"nil" => Kind::Nil,
            b"template" => Kind::Template,
            b"with" => Kind::With,
            b"true" | b"false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.token(kind)
    }

    fn field_or_variable(&mut self, kind: Kind) -> Token<'a> {
        if self.at_terminator() {
            return self.token(if kind == Kind::Variable { Kind::Variable } else { Kind::Dot });
        }
        let stop = self.take_alphanumeric();
        if !self.at_terminator() {
            return self.error(Fault::BadCharacter(stop));
        }
        self.token(kind)
    }

    fn at_terminator(&self) -> bool {
        match self.rest() {
            [] | [b' ' | b'\t' | b'\r' | b'\n' | b'.' | b',' | b'|' | b':' | b')' | b'(', ..] => true,
            rest => rest.starts_with(RIGHT),
        }
    }

    fn quoted(&mut self, mark: char, kind: Kind, unterminated: &'static str) -> Token<'a> {
        loop {
            self.pos += self.rest().iter().take_while(|byte| !matches!(byte, b'\\' | b'\n') && char::from(**byte) != mark).count();
            let mut c = self.next();
            if c == Some('\\') {
                c = self.next();
                if !matches!(c, None | Some('\n')) {
                    continue;
                }
            }
            match c {
                None | Some('\n') => return self.fault(unterminated),
                Some(c) if c == mark => return self.token(kind),
                Some(_) => {}
            }
        }
    }

    fn raw_string(&mut self) -> Token<'a> {
        let rest = self.rest();
        let end = memchr::memchr(b'`', rest);
        let taken = end.map_or(rest.len(), |at| at + 1);
        self.line += newlines(&rest[..taken]);
        self.pos += taken;
        if end.is_some() { self.token(Kind::RawString) } else { self.fault("unterminated raw quoted string") }
    }

    fn number(&mut self) -> Token<'a> {
        if !self.scan_number() {
            return self.error(Fault::BadNumber);
        }
        if matches!(self.peek(), Some('+' | '-')) {
            if !self.scan_number() || self.input[self.pos - 1] != b'i' {
                return self.error(Fault::BadNumber);
            }
            return self.token(Kind::Complex);
        }
        self.token(Kind::Number)
    }

    fn scan_number(&mut self) -> bool {
        self.accept(b"+-");
        let mut digits: &[u8] = b"0123456789_";
        if self.accept(b"0") {
            if self.accept(b"xX") {
                digits = b"0123456789abcdefABCDEF_";
            } else if self.accept(b"oO") {
                digits = b"01234567_";
            } else if self.accept(b"bB") {
                digits = b"01_";
            }
        }
        self.accept_run(digits);
        if self.accept(b".") {
            self.accept_run(digits);
        }
        if (digits.len() == 11 && self.accept(b"eE")) || (digits.len() == 23 && self.accept(b"pP")) {
            self.accept(b"+-");
            self.accept_run(b"0123456789_");
        }
        self.accept(b"i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }
}

/// Prints a character as Go's `%#U`; the end of input is -1 there.
fn unicode(c: Option<char>) -> String {
    match c {
        None => "U+FFFFFFFFFFFFFFFF".to_owned(),
        Some(c) if crate::quote::is_print(c) => format!("U+{:04X} '{c}'", c as u32),
        Some(c) => format!("U+{:04X}", c as u32),
    }
}
