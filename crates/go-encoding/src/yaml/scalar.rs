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

/// What a quoted scalar means so far, up to `from`.
struct Quoted {
    from: usize,
    owned: Option<String>,
    dropped: bool,
}

impl Quoted {
    fn owned(&mut self) -> Option<&mut String> {
        if self.dropped { None } else { Some(self.owned.get_or_insert_default()) }
    }

    fn push(&mut self, piece: &str) {
        if let Some(owned) = self.owned() {
            owned.push_str(piece);
        }
    }

    /// Adds the end of a line, without the blanks before the line break.
    fn line(&mut self, piece: &str) {
        self.push(piece.trim_end_matches([' ', '\t']));
    }

    fn finish(self, last: &str) -> Cow<'_, str> {
        match self.owned {
            _ if self.dropped => Cow::Borrowed(""),
            None => Cow::Borrowed(last),
            Some(text) => Cow::Owned(text + last),
        }
    }
}

/// What ended a line of a quoted scalar.
enum LineEnd {
    Quote,
    EscapedBreak,
    Break,
    Stream,
}

/// Where a run inside quotes ends; the last two may start a line break.
const SINGLE_STOPS: [bool; 256] = chars::table(b"'\r\n\xc2\xe2");
const DOUBLE_STOPS: [bool; 256] = chars::table(b"\"\\\r\n\xc2\xe2");

/// Whether the line breaks that end a block scalar are kept.
#[derive(Clone, Copy, PartialEq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

impl<'a> Scanner<'a> {
    /// Reads a quoted scalar; what it means is left out where scalars are dropped.
    pub(super) fn quoted(&mut self, single: bool) -> Scanned<Cow<'a, str>> {
        let start = self.mark;
        self.skip();
        let mut text = Quoted { from: self.pos, owned: None, dropped: self.drops_scalars };
        loop {
            if self.mark.column == 0 && self.text.is_document_indicator(self.pos) {
                return self.fault("found unexpected document indicator", start);
            }
            match self.quoted_line(single, &mut text, start)? {
                LineEnd::Quote => break,
                LineEnd::EscapedBreak => self.fold_quoted(&mut text, true),
                LineEnd::Break => {
                    text.line(self.slice(text.from, self.pos));
                    self.fold_quoted(&mut text, false);
                }
                LineEnd::Stream => return self.fault("found unexpected end of stream", start),
            }
        }
        let last = self.slice(text.from, self.pos);
        self.skip();
        Ok(text.finish(last))
    }

    /// Steps over the rest of a line of a quoted scalar, up to the quote or line break that ends it.
    fn quoted_line(&mut self, single: bool, text: &mut Quoted, start: Place) -> Scanned<LineEnd> {
        loop {
            let mut run = self.run_to(self.pos, single);
            // What an escape means is of no interest then, and texts of many escapes are what is dropped most.
            while text.dropped && !single && self.text.at(run) == b'\\' && b"\"\\nrt0".contains(&self.text.at(run + 1)) {
                run = self.run_to(run + 2, single);
            }
            self.skip_to(run);
            match self.at(0) {
                b'\'' if single && self.at(1) == b'\'' => {
                    text.push(self.slice(text.from, self.pos + 1));
                    self.skip_to(self.pos + 2);
                }
                b'\'' if single => return Ok(LineEnd::Quote),
                b'"' if !single => return Ok(LineEnd::Quote),
                b'\\' if !single => {
                    text.push(self.slice(text.from, self.pos));
                    if self.text.is_break(self.pos + 1) {
                        self.skip();
                        self.line_break();
                        text.from = self.pos;
                        return Ok(LineEnd::EscapedBreak);
                    }
                    let character = self.escape(start)?;
                    text.push(character.encode_utf8(&mut [0; 4]));
                }
                _ if self.text.is_end(self.pos) => return Ok(LineEnd::Stream),
                _ if self.text.is_break(self.pos) => return Ok(LineEnd::Break),
                // The first byte of some character that could have been a line break.
                _ => {
                    self.skip();
                    continue;
                }
            }
            text.from = self.pos;
        }
    }

    /// Returns where a run that starts at `pos` ends.
    fn run_to(&self, pos: usize, single: bool) -> usize {
        let stops = if single { &SINGLE_STOPS } else { &DOUBLE_STOPS };
        let rest = &self.text.bytes[pos..];
        pos + rest.iter().position(|byte| stops[usize::from(*byte)]).unwrap_or(rest.len())
    }

    /// Steps over the line breaks and blanks between lines. After an escaped line break only further ones mean something.
    fn fold_quoted(&mut self, text: &mut Quoted, escaped: bool) {
        let (mut first, mut later) = ("", String::new());
        let mut folding = escaped;
        while self.text.is_blank(self.pos) || self.text.is_break(self.pos) {
            if self.text.is_blank(self.pos) {
                self.skip();
            } else if folding {
                later.push_str(self.line_break());
            } else {
                (folding, first) = (true, self.line_break());
            }
        }
        if let Some(owned) = text.owned() {
            if escaped {
                owned.push_str(&later);
            } else {
                fold(owned, first, &later);
            }
        }
        text.from = self.pos;
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

    /// Reads a block scalar and returns where it ends; what it means is left out where scalars are dropped.
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
            let line_end = self.text.line_end(self.pos);
            if !self.drops_scalars {
                let is_blank = self.text.is_blank(self.pos);
                if !literal && first_break == "\n" && !was_blank && !is_blank {
                    if breaks.is_empty() {
                        text.push(' ');
                    }
                } else {
                    text.push_str(first_break);
                }
                text.push_str(&breaks);
                text.push_str(self.slice(self.pos, line_end));
                was_blank = is_blank;
            }
            breaks.clear();
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
            let most = indent.map_or(usize::MAX, |indent| indent.saturating_sub(self.mark.column));
            let rest = self.text.bytes.get(self.pos..).unwrap_or_default();
            self.skip_bytes(rest.iter().take(most).take_while(|byte| **byte == b' ').count());
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
