//! The scanner: splits template text into the tokens of Go's text/template, with Go's error texts.
//!
//! Works on bytes, since Go copies text outside of actions unchanged whatever its encoding.

use crate::ast::Pos;
use crate::quote::{decode, is_alphanumeric};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The scan has ended; the lexer knows why.
    Error,
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

/// Is a token of a text: from the byte `start` on, up to the byte `end`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub kind: Kind,
    pub start: Pos,
    pub end: Pos,
}

impl Token {
    /// Is what there is before the first token was read.
    pub(crate) const NONE: Token = Token { kind: Kind::Eof, start: 0, end: 0 };
}

pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    /// The text, or what was read of it when an error ended the scan.
    input: &'a [u8],
    pos: usize,
    start: usize,
    paren_depth: usize,
    inside_action: bool,
    fault: Fault,
}

const LEFT: &[u8; 2] = b"{{";
const RIGHT: &[u8] = b"}}";
const TRIM_MARKER_LEN: usize = 2;
const UNCLOSED_ACTION: Fault = Fault::Plain("unclosed action");

fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\r' | b'\n')
}

/// Finds two bytes in a row; mostly they are near.
fn find(haystack: &[u8], [first, second]: &[u8; 2]) -> Option<usize> {
    memchr::memchr_iter(*first, haystack).find(|at| haystack.get(at + 1) == Some(second))
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

impl<'a> Lexer<'a> {
    /// Returns nothing where the text is so long that the places in it have no numbers.
    pub(crate) fn new(text: &'a [u8]) -> Option<Self> {
        Pos::try_from(text.len()).ok()?;
        Some(Lexer { text, input: text, pos: 0, start: 0, paren_depth: 0, inside_action: false, fault: UNCLOSED_ACTION })
    }

    /// Returns what a token is in the text.
    pub(crate) fn value(&self, token: Token) -> &'a [u8] {
        &self.text[token.start as usize..token.end as usize]
    }

    /// Returns the line in which a token starts, counted from one.
    pub(crate) fn line(&self, token: Token) -> usize {
        1 + memchr::memchr_iter(b'\n', &self.text[..token.start as usize]).count()
    }

    /// Returns a token as Go prints it in errors.
    pub(crate) fn printed(&self, token: Token) -> String {
        let value = self.value(token);
        match token.kind {
            Kind::Eof => "EOF".to_owned(),
            Kind::Error => match self.fault {
                Fault::Plain(message) => message.to_owned(),
                Fault::BadCharacter(c) => format!("bad character {}", unicode(c)),
                Fault::Unrecognized(c) => format!("unrecognized character in action: {}", unicode(Some(c))),
                Fault::BadNumber => format!("bad number syntax: {}", crate::quote::quote(value)),
            },
            kind if kind.is_keyword() => format!("<{}>", String::from_utf8_lossy(value)),
            _ if value.len() > 10 => {
                let end = crate::quote::chars(value).take(10).map(|(_, part)| part.len()).sum();
                format!("{}...", crate::quote::quote(&value[..end]))
            }
            _ => crate::quote::quote(value),
        }
    }

    fn rest(&self) -> &'a [u8] {
        &self.input[self.pos..]
    }

    /// Takes one character; an invalid byte is U+FFFD as in Go.
    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += decode(self.rest()).1;
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        let rest = self.rest();
        if rest.is_empty() { None } else { Some(decode(rest).0.unwrap_or('\u{fffd}')) }
    }

    fn peek_byte(&self) -> u8 {
        self.rest().first().copied().unwrap_or(0)
    }

    // `new` has seen that the places in the text fit.
    fn token(&mut self, kind: Kind) -> Token {
        let token = Token { kind, start: self.start as Pos, end: self.pos as Pos };
        self.start = self.pos;
        token
    }

    fn ignore(&mut self) {
        self.start = self.pos;
    }

    /// Gives an error token and ends the scan.
    #[cold]
    fn error(&mut self, fault: Fault) -> Token {
        let start = self.start;
        let token = self.token(Kind::Error);
        self.fault = fault;
        self.input = &self.text[..start];
        self.pos = start;
        self.start = start;
        token
    }

    fn fault(&mut self, message: &'static str) -> Token {
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

    pub(crate) fn next_token(&mut self) -> Token {
        if self.inside_action { self.inside() } else { self.text() }
    }

    // Not part of `next_token`, which is mostly called within actions.
    #[inline(never)]
    fn text(&mut self) -> Token {
        loop {
            let Some(x) = find(self.rest(), LEFT) else {
                self.pos = self.input.len();
                return self.token(if self.pos > self.start { Kind::Text } else { Kind::Eof });
            };
            if x > 0 {
                self.pos += x;
                let mut trim = 0;
                if has_left_trim_marker(&self.input[self.pos + LEFT.len()..]) {
                    trim = self.input[self.start..self.pos].iter().rev().take_while(|b| is_space(**b)).count();
                }
                self.pos -= trim;
                let token = self.token(Kind::Text);
                self.pos += trim;
                self.ignore();
                if token.start < token.end {
                    return token;
                }
            }
            if let Some(token) = self.left_delim() {
                return token;
            }
        }
    }

    /// Gives nothing after a comment.
    fn left_delim(&mut self) -> Option<Token> {
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

    fn comment(&mut self) -> Option<Token> {
        self.pos += 2;
        let Some(x) = find(self.rest(), b"*/") else {
            return Some(self.fault("unclosed comment"));
        };
        self.pos += x + 2;
        match self.rest() {
            [space, b'-', b'}', b'}', ..] if is_space(*space) => {
                self.pos += TRIM_MARKER_LEN + RIGHT.len();
                self.skip_spaces();
            }
            rest if rest.starts_with(RIGHT) => self.pos += RIGHT.len(),
            _ => return Some(self.fault("comment ends before closing delimiter")),
        }
        self.ignore();
        None
    }

    fn skip_spaces(&mut self) {
        self.pos += self.rest().iter().take_while(|b| is_space(**b)).count();
    }

    /// Takes the right delimiter, which is here.
    fn right_delim(&mut self, trims: bool) -> Token {
        if self.paren_depth > 0 {
            return self.fault("unclosed left paren");
        }
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

    fn inside(&mut self) -> Token {
        let Some(byte) = self.input.get(self.pos) else { return self.error(UNCLOSED_ACTION) };
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => return self.space(),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => return self.identifier(),
            b'}' if self.rest().starts_with(RIGHT) => return self.right_delim(false),
            b'+' | b'-' | b'0'..=b'9' => return self.number(),
            128.. => return self.beyond_ascii(),
            _ => self.pos += 1,
        }
        match byte {
            b'.' if self.peek_byte().is_ascii_digit() || self.rest().is_empty() => {
                self.pos -= 1;
                self.number()
            }
            b'.' => self.field_or_variable(Kind::Field, Kind::Dot),
            b'$' => self.field_or_variable(Kind::Variable, Kind::Variable),
            b'|' => self.token(Kind::Pipe),
            b'"' => self.quoted(b'"', Kind::String, "unterminated quoted string"),
            b'`' => self.raw_string(),
            b'=' => self.token(Kind::Assign),
            b':' => {
                if self.next() != Some('=') {
                    return self.fault("expected :=");
                }
                self.token(Kind::Declare)
            }
            b'\'' => self.quoted(b'\'', Kind::CharConstant, "unterminated character constant"),
            b'(' => {
                self.paren_depth += 1;
                self.token(Kind::LeftParen)
            }
            b')' => {
                if self.paren_depth == 0 {
                    return self.fault("unexpected right paren");
                }
                self.paren_depth -= 1;
                self.token(Kind::RightParen)
            }
            b' '..=b'~' => self.token(Kind::Char),
            byte => self.error(Fault::Unrecognized(char::from(*byte))),
        }
    }

    /// Takes a word that starts with a letter as other languages have them; nothing else is of such characters.
    fn beyond_ascii(&mut self) -> Token {
        match self.peek() {
            Some(c) if is_alphanumeric(c) => self.identifier(),
            _ => {
                let c = self.next().unwrap_or('\u{fffd}');
                self.error(Fault::Unrecognized(c))
            }
        }
    }

    /// Takes spaces, but for the last one where a right delimiter starts with it.
    fn space(&mut self) -> Token {
        let rest = self.rest();
        // Mostly it is one.
        let count = 1 + rest[1..].iter().take_while(|byte| is_space(**byte)).count();
        let trims = rest[count..].starts_with(b"-}}");
        if trims && count == 1 {
            return self.right_delim(true);
        }
        self.pos += count - usize::from(trims);
        self.token(Kind::Space)
    }

    /// Takes what is left of a word; it has to end where one may.
    fn take_word(&mut self) -> Result<(), Fault> {
        let mut pos = self.pos;
        let ends_well = loop {
            match self.input.get(pos) {
                Some(byte) if IN_WORD[usize::from(*byte)] => pos += 1,
                None | Some(b' ' | b'.' | b')' | b'\t' | b'\r' | b'\n' | b',' | b'|' | b':' | b'(') => break true,
                Some(128..) => {
                    let (c, length) = decode(&self.input[pos..]);
                    if !is_alphanumeric(c.unwrap_or('\u{fffd}')) {
                        break false;
                    }
                    pos += length;
                }
                Some(_) => break self.input[pos..].starts_with(RIGHT),
            }
        };
        self.pos = pos;
        if ends_well { Ok(()) } else { Err(Fault::BadCharacter(self.peek())) }
    }

    fn identifier(&mut self) -> Token {
        if let Err(fault) = self.take_word() {
            return self.error(fault);
        }
        let word = &self.input[self.start..self.pos];
        let kind = match word[0] {
            b'b' if word == b"block" => Kind::Block,
            b'b' if word == b"break" => Kind::Break,
            b'c' if word == b"continue" => Kind::Continue,
            b'd' if word == b"define" => Kind::Define,
            b'e' if word == b"else" => Kind::Else,
            b'e' if word == b"end" => Kind::End,
            b'f' if word == b"false" => Kind::Bool,
            b'i' if word == b"if" => Kind::If,
            b'n' if word == b"nil" => Kind::Nil,
            b'r' if word == b"range" => Kind::Range,
            b't' if word == b"template" => Kind::Template,
            b't' if word == b"true" => Kind::Bool,
            b'w' if word == b"with" => Kind::With,
            _ => Kind::Identifier,
        };
        self.token(kind)
    }

    fn field_or_variable(&mut self, kind: Kind, alone: Kind) -> Token {
        let name = self.pos;
        match self.take_word() {
            Ok(()) => self.token(if self.pos == name { alone } else { kind }),
            Err(fault) => self.error(fault),
        }
    }

    fn quoted(&mut self, mark: u8, kind: Kind, unterminated: &'static str) -> Token {
        loop {
            let Some(at) = memchr::memchr3(mark, b'\\', b'\n', self.rest()) else { return self.fault(unterminated) };
            self.pos += at + 1;
            match self.input[self.pos - 1] {
                b'\\' if !matches!(self.rest(), [] | [b'\n', ..]) => self.pos += 1,
                byte if byte == mark => return self.token(kind),
                _ => return self.fault(unterminated),
            }
        }
    }

    fn raw_string(&mut self) -> Token {
        let Some(at) = memchr::memchr(b'`', self.rest()) else { return self.fault("unterminated raw quoted string") };
        self.pos += at + 1;
        self.token(Kind::RawString)
    }

    fn number(&mut self) -> Token {
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
