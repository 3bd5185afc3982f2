//! Reads expressions as `fluxcd/pkg/envsubst` 1.7 (`parse/parse.go`, `parse/scan.go`) does, with what it refuses.
//!
//! What may stand where differs from a shell: `${a-b}` is no expression, the pattern of `${a/b/c}` may hold a brace, an argument is one
//! text or one expression, and only a default may mix them.

use std::ops::Range;

/// A part of a text.
#[derive(Debug, PartialEq)]
pub(super) enum Node {
    Text(Vec<u8>),
    Expression(Expression),
}

/// `${…}`.
#[derive(Debug, PartialEq)]
pub(super) struct Expression {
    /// The variable.
    pub(super) name: String,
    /// What is done with its value, as `:-` or `^^`; nothing for the value itself.
    pub(super) operator: String,
    pub(super) arguments: Vec<Node>,
    /// Where it stands in the text.
    pub(super) at: Range<usize>,
}

/// How deep expressions may nest.
const MAX_DEPTH: usize = 64;

/// Which characters a token may consist of: the character, and how long the token is with it.
type Accept = fn(char, usize) -> bool;

/// What else than a token of accepted characters may come, and whether `$$` and escaped slashes stand for themselves.
#[derive(Clone, Copy, Default)]
struct Mode {
    opening: bool,
    closing: bool,
    escapes: Escapes,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Escapes {
    #[default]
    None,
    Dollar,
    All,
}

enum Token {
    End,
    Opening,
    Closing,
    Text(Vec<u8>),
    Other,
}

/// Splits a text into what is text and what is an expression.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, String> {
    let mut scanner = Scanner { text, at: 0, width: 0 };
    let mut nodes = Vec::new();
    loop {
        let start = scanner.at;
        match scanner.scan(|_, _| true, Mode { opening: true, closing: false, escapes: Escapes::Dollar }) {
            Token::End => return Ok(nodes),
            Token::Text(text) => nodes.push(Node::Text(text)),
            Token::Opening => {
                let found = scanner.expression(start, 0);
                nodes.push(Node::Expression(found.map_err(|why| format!("{}: {why}", shown(&text[start..])))?));
            }
            Token::Closing | Token::Other => return Err(format!("{}: {NONE}", shown(&text[start..]))),
        }
    }
}

/// Returns the start of an expression as it is written.
fn shown(text: &str) -> &str {
    let line = text.lines().next().unwrap_or("");
    line.find('}').map_or(line, |end| &line[..=end])
}

const NONE: &str = "this is no expression";

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// The length of the character that was read last.
    width: usize,
}

impl Scanner<'_> {
    fn read(&mut self) -> Option<char> {
        let next = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        self.width = next.map_or(0, char::len_utf8);
        self.at += self.width;
        next
    }

    fn unread(&mut self) {
        self.at -= self.width;
    }

    fn peek(&mut self) -> Option<char> {
        let next = self.read();
        self.unread();
        next
    }

    fn scan(&mut self, accept: Accept, mode: Mode) -> Token {
        let Some(first) = self.read() else { return Token::End };
        if mode.opening && self.opens(first) {
            return Token::Opening;
        }
        if mode.closing && first == '}' {
            return Token::Closing;
        }
        self.token(first, accept, mode).map_or(Token::Other, Token::Text)
    }

    fn token(&mut self, first: char, accept: Accept, mode: Mode) -> Option<Vec<u8>> {
        let mut found = String::new();
        match self.escaped(first, mode.escapes) {
            Some(plain) => found.push(plain),
            None if accept(first, first.len_utf8()) => found.push(first),
            None => return None,
        }
        while let Some(next) = self.read() {
            if mode.opening && self.opens(next) {
                self.at -= 2;
                break;
            }
            match self.escaped(next, mode.escapes) {
                Some(plain) => found.push(plain),
                None if accept(next, found.len() + next.len_utf8()) => found.push(next),
                None => {
                    self.unread();
                    break;
                }
            }
        }
        Some(found.into_bytes())
    }

    fn opens(&mut self, c: char) -> bool {
        if c != '$' {
            return false;
        }
        let opens = self.read() == Some('{');
        if !opens {
            self.unread();
            self.width = 1;
        }
        opens
    }

    /// Takes the second character of an escape, which stands for itself.
    fn escaped(&mut self, c: char, escapes: Escapes) -> Option<char> {
        let next = match (c, escapes) {
            ('$', Escapes::Dollar | Escapes::All) => self.peek().filter(|next| *next == '$'),
            ('\\', Escapes::All) => self.peek().filter(|next| matches!(next, '/' | '\\')),
            _ => return None,
        };
        self.width = 1;
        if next.is_some() {
            self.read();
        }
        next
    }

    /// Reads what follows `${`.
    fn expression(&mut self, start: usize, depth: usize) -> Result<Expression, String> {
        if depth > MAX_DEPTH {
            return Err("expressions nest too deeply".to_string());
        }
        let mut found = Expression { name: String::new(), operator: String::new(), arguments: Vec::new(), at: start..start };
        if self.peek() == Some('#') {
            found.operator = self.operator(|c, at| c == '#' && at == 1)?;
            found.name = self.name().ok_or(NONE)?;
            self.close()?;
        } else {
            found.name = self.name().ok_or("a name of a variable is expected")?;
            self.operation(&mut found, depth)?;
        }
        found.at.end = self.at;
        Ok(found)
    }

    fn name(&mut self) -> Option<String> {
        self.word(|c, _| c.is_alphabetic() || c.is_numeric() || c == '_')
    }

    fn operator(&mut self, accept: Accept) -> Result<String, String> {
        self.word(accept).ok_or_else(|| NONE.to_string())
    }

    fn word(&mut self, accept: Accept) -> Option<String> {
        match self.scan(accept, Mode::default()) {
            Token::Text(text) => String::from_utf8(text).ok(),
            _ => None,
        }
    }

    fn operation(&mut self, found: &mut Expression, depth: usize) -> Result<(), String> {
        match self.peek() {
            Some(':') if self.is_default() => self.default(found, depth),
            Some(':') => self.part(found, depth),
            Some('=') => self.default(found, depth),
            Some(',' | '^') => {
                found.operator = self.operator(|c, at| matches!(c, ',' | '^') && at < 3)?;
                self.close()
            }
            Some('/') => self.replacement(found, depth),
            Some('#') => self.removal(found, |c, at| c == '#' && at < 3, depth),
            Some('%') => self.removal(found, |c, at| c == '%' && at < 3, depth),
            _ => match self.scan(|_, _| false, Mode { closing: true, ..Mode::default() }) {
                Token::Closing => Ok(()),
                _ => Err("a closing brace, or one of : = , ^ / # % is expected after the name".to_string()),
            },
        }
    }

    fn is_default(&mut self) -> bool {
        self.read();
        let next = self.peek();
        self.unread();
        matches!(next, Some('=' | '-' | '?' | '+'))
    }

    fn close(&mut self) -> Result<(), String> {
        match self.scan(|_, _| false, Mode { closing: true, ..Mode::default() }) {
            Token::Closing => Ok(()),
            _ => Err("a closing brace is expected".to_string()),
        }
    }

    fn argument(&mut self, accept: Accept, escapes: Escapes, depth: usize) -> Result<Node, String> {
        let start = self.at;
        match self.scan(accept, Mode { opening: true, closing: false, escapes }) {
            Token::Opening => self.expression(start, depth + 1).map(Node::Expression),
            Token::Text(text) => Ok(Node::Text(text)),
            _ => Err("an argument is expected".to_string()),
        }
    }

    /// `${name:offset}` and `${name:offset:length}`.
    fn part(&mut self, found: &mut Expression, depth: usize) -> Result<(), String> {
        found.operator = self.operator(|c, at| c == ':' && at == 1)?;
        found.arguments.push(self.argument(|c, _| c != ':' && c != '}', Escapes::None, depth)?);
        match self.scan(|c, _| c == ':', Mode { closing: true, ..Mode::default() }) {
            Token::Closing => return Ok(()),
            Token::Text(_) => {}
            _ => return Err(NONE.to_string()),
        }
        found.arguments.push(self.argument(not_closing, Escapes::None, depth)?);
        self.close()
    }

    /// `${name#pattern}` and its likes.
    fn removal(&mut self, found: &mut Expression, accept: Accept, depth: usize) -> Result<(), String> {
        found.operator = self.operator(accept)?;
        found.arguments.push(self.argument(not_closing, Escapes::None, depth)?);
        self.close()
    }

    /// `${name/old/new}` and its likes.
    fn replacement(&mut self, found: &mut Expression, depth: usize) -> Result<(), String> {
        found.operator = self.operator(|c, at| at == 1 && c == '/' || at == 2 && matches!(c, '/' | '#' | '%'))?;
        found.arguments.push(self.argument(|c, _| c != '/', Escapes::All, depth)?);
        self.operator(|c, _| c == '/').map_err(|_| "a slash and what comes instead are expected")?;
        if self.peek() != Some('}') {
            found.arguments.push(self.argument(not_closing, Escapes::All, depth)?);
        }
        self.close()
    }

    /// `${name:-default}` and its likes.
    fn default(&mut self, found: &mut Expression, depth: usize) -> Result<(), String> {
        found.operator = match self.peek() {
            Some('=') => self.operator(|c, at| at == 1 && c == '=')?,
            _ => self.operator(|c, at| at == 1 && c == ':' || at == 2 && matches!(c, '=' | '-' | '?' | '+'))?,
        };
        while self.peek() != Some('}') {
            found.arguments.push(self.argument(not_closing, Escapes::None, depth)?);
        }
        self.close()
    }
}

fn not_closing(c: char, _: usize) -> bool {
    c != '}'
}
