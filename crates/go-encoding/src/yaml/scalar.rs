//! What stands inside tokens: quoted and block scalars, anchors, tags, directives.

use std::borrow::Cow;

use super::chars;
use super::scan::{Kind, Place, Scanned, Scanner};

/// A scalar that is put together from runs of text, blanks between them and folded line breaks. It stays a slice of the source as
/// long as it is one.
pub(super) struct Joined {
    start: usize,
    end: usize,
    owned: Option<String>,
    /// The first line break since the last run, and all later ones.
    first_break: &'static str,
    later_breaks: String,
}

impl Joined {
    pub(super) fn starting(start: usize) -> Joined {
        Joined { start, end: start, owned: None, first_break: "", later_breaks: String::new() }
    }

    /// Tells whether there was a line break since the last run.
    pub(super) fn is_folding(&self) -> bool {
        !self.first_break.is_empty()
    }

    /// Adds a run, with the blanks before it where no line break lies between.
    pub(super) fn run(&mut self, source: &str, from: usize, to: usize) {
        if self.is_folding() {
            let (start, end) = (self.start, self.end);
            let text = self.owned.get_or_insert_with(|| source[start..end].to_owned());
            fold(text, self.first_break, &self.later_breaks);
            text.push_str(&source[from..to]);
            self.first_break = "";
            self.later_breaks.clear();
        } else if let Some(text) = &mut self.owned {
            text.push_str(&source[self.end..to]);
        }
        self.end = to;
    }

    pub(super) fn line_break(&mut self, meaning: &'static str) {
        if self.is_folding() {
            self.later_breaks.push_str(meaning);
        } else {
            self.first_break = meaning;
        }
    }

    pub(super) fn finish(self, source: &str) -> Cow<'_, str> {
        match self.owned {
            Some(text) => Cow::Owned(text),
            None => Cow::Borrowed(&source[self.start..self.end]),
        }
    }
}

/// Folds line breaks: one line feed becomes a space, of several the first vanishes; other breaks stay.
fn fold(text: &mut String, first: &str, later: &str) {
    if first != "\n" {
        text.push_str(first);
    } else if later.is_empty() {
        text.push(' ');
    }
    text.push_str(later);
}

/// Whether the line breaks that end a block scalar are kept.
#[derive(Clone, Copy, PartialEq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

impl<'a> Scanner<'a> {
    pub(super) fn quoted(&mut self, single: bool) -> Scanned<Cow<'a, str>> {
        const CONTEXT: &str = "found unexpected document indicator";
        let start = self.mark;
        let quote = if single { b'\'' } else { b'"' };
        self.skip();
        let mut from = self.pos;
        let mut owned: Option<String> = None;
        loop {
            if self.mark.column == 0 && self.text.is_document_indicator(self.pos) {
                return self.fault(CONTEXT, start);
            }
            if self.text.is_end(self.pos) {
                return self.fault("found unexpected end of stream", start);
            }
            let mut escaped_break = false;
            while !self.text.is_blank_or_end(self.pos) {
                let run = self.quoted_run(quote);
                self.skip_to(run);
                match self.at(0) {
                    b'\'' if single && self.at(1) == b'\'' => {
                        let text = owned.get_or_insert_default();
                        text.push_str(self.slice(from, self.pos + 1));
                        self.skip_to(self.pos + 2);
                        from = self.pos;
                    }
                    byte if byte == quote => break,
                    b'\\' if !single => {
                        owned.get_or_insert_default().push_str(self.slice(from, self.pos));
                        if self.text.is_break(self.pos + 1) {
                            self.skip();
                            self.line_break();
                            escaped_break = true;
                            from = self.pos;
                            break;
                        }
                        let character = self.escape(start)?;
                        owned.get_or_insert_default().push(character);
                        from = self.pos;
                    }
                    _ => {}
                }
            }
            if self.at(0) == quote {
                break;
            }
            self.quoted_blanks(escaped_break, &mut from, &mut owned);
        }
        let last = self.slice(from, self.pos);
        self.skip();
        Ok(match owned {
            None => Cow::Borrowed(last),
            Some(mut text) => {
                text.push_str(last);
                Cow::Owned(text)
            }
        })
    }

    /// Returns where plain characters of a quoted scalar end on this line.
    fn quoted_run(&self, quote: u8) -> usize {
        let mut pos = self.pos;
        loop {
            match self.text.at(pos) {
                b' ' | b'\t' | b'\r' | b'\n' | 0 => return pos,
                byte if byte == quote || (byte == b'\\' && quote == b'"') => return pos,
                0xc2 | 0xe2 if self.text.is_break(pos) => return pos,
                _ => pos += 1,
            }
        }
    }

    /// Steps over blanks and line breaks; blanks stay unless a line break follows or an escaped one came before.
    fn quoted_blanks(&mut self, escaped_break: bool, from: &mut usize, owned: &mut Option<String>) {
        let blanks = self.pos;
        let mut folding = escaped_break;
        let (mut first, mut later) = ("", String::new());
        while self.text.is_blank(self.pos) || self.text.is_break(self.pos) {
            if self.text.is_blank(self.pos) {
                self.skip();
                continue;
            }
            let meaning = self.line_break();
            if folding {
                later.push_str(meaning);
            } else {
                (folding, first) = (true, meaning);
            }
        }
        if folding {
            let text = owned.get_or_insert_default();
            text.push_str(self.slice(*from, blanks));
            if first.is_empty() {
                text.push_str(&later);
            } else {
                fold(text, first, &later);
            }
            *from = self.pos;
        }
    }

    /// Steps over an escape sequence and returns the character it stands for.
    fn escape(&mut self, start: Place) -> Scanned<char> {
        let digits = match self.at(1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            _ => 0,
        };
        let character = match self.at(1) {
            b'0' => '\0',
            b'a' => '\u{7}',
            b'b' => '\u{8}',
            b't' | b'\t' => '\t',
            b'n' => '\n',
            b'v' => '\u{b}',
            b'f' => '\u{c}',
            b'r' => '\r',
            b'e' => '\u{1b}',
            quoted @ (b' ' | b'"' | b'\'' | b'\\') => char::from(quoted),
            b'N' => '\u{85}',
            b'_' => '\u{a0}',
            b'L' => '\u{2028}',
            b'P' => '\u{2029}',
            _ if digits > 0 => '\0',
            _ => return self.fault("found unknown escape character", start),
        };
        self.skip();
        self.skip();
        if digits == 0 {
            return Ok(character);
        }
        let mut value = 0;
        for ahead in 0..digits {
            let Some(digit) = char::from(self.at(ahead)).to_digit(16) else {
                return self.fault("did not find expected hexdecimal number", start);
            };
            // Eight digits fit.
            value = value << 4 | digit;
        }
        let Some(character) = char::from_u32(value) else {
            return self.fault("found invalid Unicode character escape code", start);
        };
        self.skip_to(self.pos + digits);
        Ok(character)
    }

    pub(super) fn block_scalar(&mut self, literal: bool) -> Scanned<(String, Place)> {
        let start = self.mark;
        self.skip();
        let (chomping, increment) = self.block_header(start)?;
        let mut indent = increment.map(|increment| self.block_indent().unwrap_or(0) + increment);
        let mut end = self.mark;
        let mut text = String::new();
        let (mut first_break, mut breaks) = ("", String::new());
        let mut was_blank = false;
        let width = self.block_breaks(&mut indent, &mut breaks, start, &mut end)?;
        while self.mark.column == width && !self.text.is_end(self.pos) {
            let is_blank = self.text.is_blank(self.pos);
            if !literal && first_break == "\n" && !was_blank && !is_blank {
                if breaks.is_empty() {
                    text.push(' ');
                }
            } else {
                text.push_str(first_break);
            }
            text.push_str(&breaks);
            breaks.clear();
            was_blank = is_blank;
            let line = self.pos;
            let mut line_end = line;
            while !self.text.is_break_or_end(line_end) {
                line_end += 1;
            }
            text.push_str(self.slice(line, line_end));
            self.skip_to(line_end);
            first_break = self.line_break();
            self.block_breaks(&mut indent, &mut breaks, start, &mut end)?;
        }
        if chomping != Chomping::Strip {
            text.push_str(first_break);
        }
        if chomping == Chomping::Keep {
            text.push_str(&breaks);
        }
        Ok((text, end))
    }

    /// Steps over the rest of the line that starts a block scalar.
    fn block_header(&mut self, start: Place) -> Scanned<(Chomping, Option<usize>)> {
        let mut chomping = self.chomping();
        let increment = match self.at(0) {
            b'0' => return self.fault("found an indentation indicator equal to 0", start),
            digit @ b'1'..=b'9' => {
                self.skip();
                Some(usize::from(digit - b'0'))
            }
            _ => None,
        };
        if chomping.is_none() && increment.is_some() {
            chomping = self.chomping();
        }
        self.skip_blanks();
        self.skip_comment();
        if !self.text.is_break_or_end(self.pos) {
            return self.fault("did not find expected comment or line break", start);
        }
        self.line_break();
        Ok((chomping.unwrap_or(Chomping::Clip), increment))
    }

    fn chomping(&mut self) -> Option<Chomping> {
        let chomping = match self.at(0) {
            b'+' => Chomping::Keep,
            b'-' => Chomping::Strip,
            _ => return None,
        };
        self.skip();
        Some(chomping)
    }

    /// Steps over indentation and empty lines; the first line that is not empty decides the indentation where none was given.
    fn block_breaks(&mut self, indent: &mut Option<usize>, breaks: &mut String, start: Place, end: &mut Place) -> Scanned<usize> {
        *end = self.mark;
        let mut widest = 0;
        loop {
            let inside = |column: usize| indent.is_none_or(|indent| column < indent);
            while inside(self.mark.column) && self.at(0) == b' ' {
                self.skip();
            }
            widest = widest.max(self.mark.column);
            if inside(self.mark.column) && self.at(0) == b'\t' {
                return self.fault("found a tab character where an indentation space is expected", start);
            }
            if !self.text.is_break(self.pos) {
                break;
            }
            breaks.push_str(self.line_break());
            *end = self.mark;
        }
        let least = self.inner_indent().max(1);
        Ok(*indent.get_or_insert(widest.max(least)))
    }

    // Anchors, tags and directives.

    /// Steps over the letters, digits, `_` and `-` here.
    fn word(&mut self) -> &'a str {
        let start = self.pos;
        let mut end = start;
        while chars::is_word(self.text.at(end)) {
            end += 1;
        }
        self.skip_to(end);
        self.slice(start, end)
    }

    pub(super) fn anchor(&mut self) -> Scanned<&'a str> {
        let start = self.mark;
        self.skip();
        let name = self.word();
        let ends = self.text.is_blank_or_end(self.pos) || matches!(self.at(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
        if name.is_empty() || !ends {
            return self.fault("did not find expected alphabetic or numeric character", start);
        }
        Ok(name)
    }

    pub(super) fn tag(&mut self) -> Scanned<Kind<'a>> {
        let start = self.mark;
        let (mut handle, mut suffix);
        if self.at(1) == b'<' {
            self.skip_to(self.pos + 2);
            (handle, suffix) = ("", self.tag_uri("", start)?);
            if self.at(0) != b'>' {
                return self.fault("did not find the expected '>'", start);
            }
            self.skip();
        } else {
            handle = self.tag_handle(false, start)?;
            if handle.len() > 1 && handle.ends_with('!') {
                suffix = self.tag_uri("", start)?;
            } else {
                suffix = self.tag_uri(handle, start)?;
                handle = "!";
                if suffix.is_empty() {
                    (handle, suffix) = ("", Cow::Borrowed("!"));
                }
            }
        }
        if !self.text.is_blank_or_end(self.pos) {
            return self.fault("did not find expected whitespace or line break", start);
        }
        Ok(Kind::Tag { handle, suffix })
    }

    fn tag_handle(&mut self, directive: bool, start: Place) -> Scanned<&'a str> {
        let from = self.pos;
        if self.at(0) != b'!' {
            return self.fault("did not find expected '!'", start);
        }
        self.skip();
        let word = self.word();
        if self.at(0) == b'!' {
            self.skip();
        } else if directive && !word.is_empty() {
            return self.fault("did not find expected '!'", start);
        }
        Ok(self.slice(from, self.pos))
    }

    /// Steps over a URI; what follows the `!` of `head` is its start.
    fn tag_uri(&mut self, head: &'a str, start: Place) -> Scanned<Cow<'a, str>> {
        let mut uri: Vec<u8> = head.bytes().skip(1).collect();
        let mut found = !head.is_empty();
        loop {
            match self.at(0) {
                b'%' => self.uri_escape(&mut uri, start)?,
                byte if chars::is_word(byte) || b";/?:@&=+$,.!~*'()[]".contains(&byte) => {
                    uri.push(byte);
                    self.skip();
                }
                _ => break,
            }
            found = true;
        }
        if !found {
            return self.fault("did not find expected tag URI", start);
        }
        // Octets that are no text have no meaning as a tag either.
        Ok(Cow::Owned(String::from_utf8_lossy(&uri).into_owned()))
    }

    /// Steps over the `%XX` of one character.
    fn uri_escape(&mut self, uri: &mut Vec<u8>, start: Place) -> Scanned<()> {
        let mut left = None;
        while left != Some(0) {
            let digit = |ahead: usize| char::from(self.at(ahead)).to_digit(16);
            let (b'%', Some(high), Some(low)) = (self.at(0), digit(1), digit(2)) else {
                return self.fault("did not find URI escaped octet", start);
            };
            let octet = (high << 4 | low) as u8;
            left = Some(match left {
                None => match octet {
                    0x00..=0x7f => 0,
                    0xc0..=0xdf => 1,
                    0xe0..=0xef => 2,
                    0xf0..=0xf7 => 3,
                    _ => return self.fault("found an incorrect leading UTF-8 octet", start),
                },
                Some(_) if octet & 0xc0 != 0x80 => return self.fault("found an incorrect trailing UTF-8 octet", start),
                Some(left) => left - 1,
            });
            uri.push(octet);
            self.skip_to(self.pos + 3);
        }
        Ok(())
    }

    /// Reads a directive to the end of its line; also returns where its content ends.
    pub(super) fn directive(&mut self) -> Scanned<(Kind<'a>, Place)> {
        let start = self.mark;
        self.skip();
        let name = self.word();
        if name.is_empty() {
            return self.fault("could not find expected directive name", start);
        }
        if !self.text.is_blank_or_end(self.pos) {
            return self.fault("found unexpected non-alphabetical character", start);
        }
        let kind = match name {
            "YAML" => self.version(start)?,
            "TAG" => self.tag_directive(start)?,
            _ => return self.fault("found unknown directive name", start),
        };
        let end = self.mark;
        self.skip_blanks();
        self.skip_comment();
        if !self.text.is_break_or_end(self.pos) {
            return self.fault("did not find expected comment or line break", start);
        }
        self.line_break();
        Ok((kind, end))
    }

    fn version(&mut self, start: Place) -> Scanned<Kind<'a>> {
        self.skip_blanks();
        let major = self.version_number(start)?;
        if self.at(0) != b'.' {
            return self.fault("did not find expected digit or '.' character", start);
        }
        self.skip();
        Ok(Kind::Version(major, self.version_number(start)?))
    }

    fn version_number(&mut self, start: Place) -> Scanned<u8> {
        let mut number = None;
        let mut length = 0;
        while self.at(0).is_ascii_digit() {
            length += 1;
            if length > 2 {
                return self.fault("found extremely long version number", start);
            }
            number = Some(number.unwrap_or(0) * 10 + (self.at(0) - b'0'));
            self.skip();
        }
        match number {
            Some(number) => Ok(number),
            None => self.fault("did not find expected version number", start),
        }
    }

    fn tag_directive(&mut self, start: Place) -> Scanned<Kind<'a>> {
        self.skip_blanks();
        let handle = self.tag_handle(true, start)?;
        if !self.text.is_blank(self.pos) {
            return self.fault("did not find expected whitespace", start);
        }
        self.skip_blanks();
        let prefix = self.tag_uri("", start)?;
        if !self.text.is_blank_or_end(self.pos) {
            return self.fault("did not find expected whitespace or line break", start);
        }
        Ok(Kind::TagDirective { handle, prefix })
    }
}
