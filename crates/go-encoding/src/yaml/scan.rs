//! The scanner: text to tokens, with the rules, quirks and error texts of go-yaml (`scannerc.go` of yaml.v2 2.4.3).
//!
//! Scalars borrow from the text wherever what they mean is what stands there. Marks count characters, as there: columns and the reach
//! of simple keys depend on it.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::chars::{self, Readable, Text};
use super::scalar::Joined;

/// A place in the text, counted from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub line: usize,
    pub column: usize,
    /// Characters from the start of the text.
    pub index: usize,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In single quotes.
    SingleQuoted,
    /// In double quotes.
    DoubleQuoted,
    /// As a `|` block.
    Literal,
    /// As a `>` block.
    Folded,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind<'a> {
    StreamEnd,
    Version(u8, u8),
    TagDirective {
        handle: &'a str,
        prefix: Cow<'a, str>,
    },
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    Tag {
        handle: &'a str,
        suffix: Cow<'a, str>,
    },
    Scalar {
        value: Cow<'a, str>,
        style: Style,
        /// Whether the value was not kept.
        dropped: bool,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Token<'a> {
    pub kind: Kind<'a>,
    pub start: Place,
    pub end: Place,
}

/// What is wrong with the text, where it was noticed, and where what it is part of started.
#[derive(Debug)]
pub(crate) struct Fault {
    pub problem: String,
    pub at: Option<Place>,
    pub context: Option<Place>,
    /// Whether the scanner found it: go-yaml counts lines differently then.
    pub by_scanner: bool,
}

pub(crate) type Scanned<T> = Result<T, Fault>;

/// A place where a mapping key without `?` may have started.
#[derive(Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    required: bool,
    token: usize,
    mark: Place,
}

/// How deep collections may nest.
const MAX_DEPTH: usize = 10_000;
/// How many characters a key without `?` may have before its `:`.
const KEY_REACH: usize = 1024;

#[derive(Clone)]
pub(crate) struct Scanner<'a> {
    pub(super) text: Text<'a>,
    source: &'a str,
    pub(super) pos: usize,
    pub(super) mark: Place,
    /// Whether what scalars mean is of no interest, other than plain ones.
    pub(super) drops_scalars: bool,
    /// Why the text ends here, where more follows.
    stops: Option<&'static str>,
    queue: VecDeque<Token<'a>>,
    /// Tokens handed out so far.
    parsed: usize,
    /// Whether the head of the queue can no longer become a key.
    ready: bool,
    indent: isize,
    indents: Vec<isize>,
    key_allowed: bool,
    /// One for each flow level, and one for the block context.
    keys: Vec<SimpleKey>,
    /// Which entry of `keys` was saved for a token; sorted by token, as they are saved in that order.
    key_of_token: Vec<(usize, usize)>,
}

impl<'a> Scanner<'a> {
    pub(crate) fn of(readable: Readable<'a>) -> Scanner<'a> {
        let source = readable.text;
        // The first mark is the encoding's; a second one may still start a line.
        let pos = source.len() - source.strip_prefix("\u{feff}").map_or(source, |rest| rest.strip_prefix('\u{feff}').unwrap_or(rest)).len();
        Scanner {
            text: Text { bytes: source.as_bytes() },
            source,
            pos,
            mark: Place::default(),
            drops_scalars: false,
            stops: readable.stops,
            queue: VecDeque::new(),
            parsed: 0,
            ready: false,
            indent: -1,
            indents: Vec::new(),
            key_allowed: true,
            keys: vec![SimpleKey::default()],
            key_of_token: Vec::new(),
        }
    }

    /// Says whether the scalars from here on need not be kept, other than plain ones.
    pub(crate) fn drop_scalars(&mut self, drop: bool) {
        self.drops_scalars = drop;
    }

    /// Returns the next token without taking it.
    #[inline]
    pub(crate) fn peek(&mut self) -> Scanned<&Token<'a>> {
        // Every token is looked at more than once.
        if !self.ready {
            self.make_ready()?;
        }
        Ok(&self.queue[0])
    }

    #[inline(never)]
    fn make_ready(&mut self) -> Scanned<()> {
        while !self.ready {
            self.ready = match self.queue.is_empty() {
                true => false,
                false => !self.head_may_be_key()?,
            };
            if !self.ready {
                self.fetch_checked()?;
            }
        }
        Ok(())
    }

    /// Takes the token that was peeked at.
    pub(crate) fn take(&mut self) -> Scanned<Token<'a>> {
        self.peek()?;
        self.ready = false;
        self.parsed += 1;
        self.queue.pop_front().ok_or_else(|| self.fault_at("no token", None))
    }

    fn head_may_be_key(&mut self) -> Scanned<bool> {
        match self.key_of_token.binary_search_by_key(&self.parsed, |(token, _)| *token) {
            Ok(found) => {
                let is_valid = self.is_valid(self.key_of_token[found].1)?;
                if !is_valid {
                    self.key_of_token.remove(found);
                }
                Ok(is_valid)
            }
            Err(_) => Ok(false),
        }
    }

    // Faults.

    pub(super) fn fault<T>(&self, problem: &str, context: Place) -> Scanned<T> {
        Err(self.fault_at(problem, Some(context)))
    }

    fn fault_at(&self, problem: &str, context: Option<Place>) -> Fault {
        Fault { problem: problem.to_owned(), at: Some(self.mark), context, by_scanner: true }
    }

    /// Fetches a token, and fails where go-yaml, which reads a little ahead, would have failed to read.
    fn fetch_checked(&mut self) -> Scanned<()> {
        self.skip_to_token();
        let Some(problem) = self.stops else { return self.fetch() };
        let end = self.text.bytes.len();
        if self.pos + 4 > end {
            return Err(unreadable(problem));
        }
        let fetched = self.fetch();
        if self.pos + 1 >= end || fetched.is_err() && self.pos + 4 > end {
            return Err(unreadable(problem));
        }
        fetched
    }

    // Moving.

    pub(super) fn at(&self, ahead: usize) -> u8 {
        self.text.at(self.pos + ahead)
    }

    pub(super) fn slice(&self, start: usize, end: usize) -> &'a str {
        &self.source[start..end]
    }

    /// Steps over one character that is no line break.
    pub(super) fn skip(&mut self) {
        if !self.text.is_end(self.pos) {
            self.pos += self.text.width(self.pos);
        }
        self.mark.index += 1;
        self.mark.column += 1;
    }

    /// Steps over so many characters of ASCII that are no line breaks.
    pub(super) fn skip_bytes(&mut self, count: usize) {
        self.pos += count;
        self.mark.index += count;
        self.mark.column += count;
    }

    /// Steps over ASCII or whole characters up to a position on this line.
    pub(super) fn skip_to(&mut self, pos: usize) {
        let characters = chars::count(&self.text.bytes[self.pos..pos]);
        self.pos = pos;
        self.mark.index += characters;
        self.mark.column += characters;
    }

    /// Steps over a line break, if there is one, and returns what it means: CR LF, CR, LF and NEL are a line feed.
    pub(super) fn line_break(&mut self) -> &'static str {
        let (bytes, characters, meaning) = match (self.at(0), self.at(1), self.at(2)) {
            (b'\r', b'\n', _) => (2, 2, "\n"),
            (b'\r' | b'\n', _, _) => (1, 1, "\n"),
            (0xc2, 0x85, _) => (2, 1, "\n"),
            (0xe2, 0x80, 0xa8) => (3, 1, "\u{2028}"),
            (0xe2, 0x80, 0xa9) => (3, 1, "\u{2029}"),
            _ => return "",
        };
        self.pos += bytes;
        self.mark.index += characters;
        self.mark.column = 0;
        self.mark.line += 1;
        meaning
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.text.is_blank(self.pos) {
            self.skip();
        }
    }

    pub(super) fn skip_comment(&mut self) {
        if self.at(0) == b'#' {
            self.skip_to(self.text.line_end(self.pos));
        }
    }

    fn skip_to_token(&mut self) {
        loop {
            // Tabs may separate tokens, but not where a key could start.
            while self.at(0) == b' ' || (self.at(0) == b'\t' && (self.flow_level() > 0 || !self.key_allowed)) {
                self.skip_bytes(1);
            }
            self.skip_comment();
            if self.line_break().is_empty() {
                return;
            }
            if self.flow_level() == 0 {
                self.key_allowed = true;
            }
        }
    }

    // Tokens.

    fn flow_level(&self) -> usize {
        self.keys.len() - 1
    }

    pub(super) fn in_flow(&self) -> bool {
        self.flow_level() > 0
    }

    /// Returns the column that content of the current block is indented to at least.
    pub(super) fn inner_indent(&self) -> usize {
        usize::try_from(self.indent + 1).unwrap_or(0)
    }

    /// Returns the indentation of the current block, if there is one.
    pub(super) fn block_indent(&self) -> Option<usize> {
        usize::try_from(self.indent).ok()
    }

    fn next_token(&self) -> usize {
        self.parsed + self.queue.len()
    }

    fn push(&mut self, kind: Kind<'a>, start: Place, end: Place) {
        self.queue.push_back(Token { kind, start, end });
    }

    fn indicator(&mut self, kind: Kind<'a>, length: usize) {
        let start = self.mark;
        for _ in 0..length {
            self.skip();
        }
        self.push(kind, start, self.mark);
    }

    /// Inserts before the token of that number; at the end where that token was already handed out.
    fn insert(&mut self, token: usize, kind: Kind<'a>, mark: Place) {
        let token_of = Token { kind, start: mark, end: mark };
        match token.checked_sub(self.parsed) {
            Some(position) if position <= self.queue.len() => self.queue.insert(position, token_of),
            _ => self.queue.push_back(token_of),
        }
    }

    fn fetch(&mut self) -> Scanned<()> {
        self.unroll(self.mark.column as isize);
        if self.text.is_end(self.pos) {
            return self.stream_end();
        }
        let (byte, starts_line) = (self.at(0), self.mark.column == 0);
        if starts_line && byte == b'%' {
            return self.directive_token();
        }
        if starts_line && self.text.is_document_indicator(self.pos) {
            return self.document_indicator(if byte == b'-' { Kind::DocumentStart } else { Kind::DocumentEnd });
        }
        let before_blank = self.text.is_blank_or_end(self.pos + 1);
        let in_flow = self.in_flow();
        match byte {
            b'[' => self.flow_start(Kind::FlowSequenceStart),
            b'{' => self.flow_start(Kind::FlowMappingStart),
            b']' => self.flow_end(Kind::FlowSequenceEnd),
            b'}' => self.flow_end(Kind::FlowMappingEnd),
            b',' => self.flow_entry(),
            b'-' if before_blank => self.block_entry(),
            b'?' if in_flow || before_blank => self.key(),
            b':' if in_flow || before_blank => self.value(),
            b'*' | b'&' | b'!' => self.property(byte),
            b'|' | b'>' if !in_flow => self.block_scalar_token(byte == b'|'),
            b'\'' | b'"' => self.flow_scalar_token(byte),
            b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b'\t' => self.fault("found character that cannot start any token", self.mark),
            _ => self.flow_scalar_token(byte),
        }
    }

    fn stream_end(&mut self) -> Scanned<()> {
        if self.mark.column != 0 {
            self.mark.column = 0;
            self.mark.line += 1;
        }
        self.end_block()?;
        self.push(Kind::StreamEnd, self.mark, self.mark);
        Ok(())
    }

    /// Ends all block collections.
    fn end_block(&mut self) -> Scanned<()> {
        self.unroll(-1);
        self.remove_key()?;
        self.key_allowed = false;
        Ok(())
    }

    fn directive_token(&mut self) -> Scanned<()> {
        self.end_block()?;
        let start = self.mark;
        let kind = self.directive()?;
        self.push(kind.0, start, kind.1);
        Ok(())
    }

    fn document_indicator(&mut self, kind: Kind<'a>) -> Scanned<()> {
        self.end_block()?;
        self.indicator(kind, 3);
        Ok(())
    }

    fn flow_start(&mut self, kind: Kind<'a>) -> Scanned<()> {
        self.save_key()?;
        self.keys.push(SimpleKey { token: self.next_token(), mark: self.mark, ..SimpleKey::default() });
        if self.flow_level() > MAX_DEPTH {
            return self.fault(&format!("exceeded max depth of {MAX_DEPTH}"), self.mark);
        }
        self.key_allowed = true;
        self.indicator(kind, 1);
        Ok(())
    }

    fn flow_end(&mut self, kind: Kind<'a>) -> Scanned<()> {
        self.remove_key()?;
        if self.in_flow()
            && let Some(last) = self.keys.pop()
        {
            self.forget(last.token);
        }
        self.key_allowed = false;
        self.indicator(kind, 1);
        Ok(())
    }

    fn flow_entry(&mut self) -> Scanned<()> {
        self.remove_key()?;
        self.key_allowed = true;
        self.indicator(Kind::FlowEntry, 1);
        Ok(())
    }

    /// A `-`; in a flow collection the parser refuses it.
    fn block_entry(&mut self) -> Scanned<()> {
        self.start_block("block sequence entries are not allowed in this context", Kind::BlockSequenceStart)?;
        self.remove_key()?;
        self.key_allowed = true;
        self.indicator(Kind::BlockEntry, 1);
        Ok(())
    }

    fn key(&mut self) -> Scanned<()> {
        self.start_block("mapping keys are not allowed in this context", Kind::BlockMappingStart)?;
        self.remove_key()?;
        self.key_allowed = !self.in_flow();
        self.indicator(Kind::Key, 1);
        Ok(())
    }

    fn value(&mut self) -> Scanned<()> {
        let last = self.keys.len() - 1;
        if self.is_valid(last)? {
            let key = self.keys[last];
            self.insert(key.token, Kind::Key, key.mark);
            self.roll(key.mark.column, Some(key.token), Kind::BlockMappingStart, key.mark)?;
            self.keys[last].possible = false;
            self.forget(key.token);
            self.key_allowed = false;
        } else {
            self.start_block("mapping values are not allowed in this context", Kind::BlockMappingStart)?;
            self.key_allowed = !self.in_flow();
        }
        self.indicator(Kind::Value, 1);
        Ok(())
    }

    /// Starts a block collection here unless one of this indentation is open; where no key may start it is not allowed.
    fn start_block(&mut self, refusal: &str, kind: Kind<'a>) -> Scanned<()> {
        if self.in_flow() {
            return Ok(());
        }
        if !self.key_allowed {
            return self.fault(refusal, self.mark);
        }
        self.roll(self.mark.column, None, kind, self.mark)
    }

    fn property(&mut self, indicator: u8) -> Scanned<()> {
        self.save_key()?;
        self.key_allowed = false;
        let start = self.mark;
        let kind = match indicator {
            b'*' => Kind::Alias(self.anchor()?),
            b'&' => Kind::Anchor(self.anchor()?),
            _ => self.tag()?,
        };
        self.push(kind, start, self.mark);
        Ok(())
    }

    fn block_scalar_token(&mut self, literal: bool) -> Scanned<()> {
        self.remove_key()?;
        self.key_allowed = true;
        let start = self.mark;
        let (value, end) = self.block_scalar(literal)?;
        let style = if literal { Style::Literal } else { Style::Folded };
        self.push(Kind::Scalar { value: Cow::Owned(value), style, dropped: self.drops_scalars }, start, end);
        Ok(())
    }

    fn flow_scalar_token(&mut self, first: u8) -> Scanned<()> {
        self.save_key()?;
        self.key_allowed = false;
        let start = self.mark;
        let (value, end, style) = match first {
            b'\'' => (self.quoted(true)?, self.mark, Style::SingleQuoted),
            b'"' => (self.quoted(false)?, self.mark, Style::DoubleQuoted),
            _ => {
                let (value, end) = self.plain()?;
                (value, end, Style::Plain)
            }
        };
        let dropped = style != Style::Plain && self.drops_scalars;
        self.push(Kind::Scalar { value, style, dropped }, start, end);
        Ok(())
    }

    // Simple keys.

    fn save_key(&mut self) -> Scanned<()> {
        if !self.key_allowed {
            return Ok(());
        }
        let required = !self.in_flow() && self.indent == self.mark.column as isize;
        let key = SimpleKey { possible: true, required, token: self.next_token(), mark: self.mark };
        self.remove_key()?;
        let last = self.keys.len() - 1;
        self.keys[last] = key;
        match self.key_of_token.last_mut() {
            Some(saved) if saved.0 == key.token => saved.1 = last,
            _ => self.key_of_token.push((key.token, last)),
        }
        Ok(())
    }

    fn remove_key(&mut self) -> Scanned<()> {
        let last = self.keys.len() - 1;
        let key = self.keys[last];
        if key.possible {
            if key.required {
                return self.fault("could not find expected ':'", key.mark);
            }
            self.keys[last].possible = false;
            self.forget(key.token);
        }
        Ok(())
    }

    fn forget(&mut self, token: usize) {
        if let Ok(found) = self.key_of_token.binary_search_by_key(&token, |(token, _)| *token) {
            self.key_of_token.remove(found);
        }
    }

    /// Tells whether a saved key can still be one: it must be on this line and near.
    fn is_valid(&mut self, position: usize) -> Scanned<bool> {
        let Some(key) = self.keys.get(position).copied().filter(|key| key.possible) else { return Ok(false) };
        if key.mark.line < self.mark.line || key.mark.index + KEY_REACH < self.mark.index {
            if key.required {
                return self.fault("could not find expected ':'", key.mark);
            }
            self.keys[position].possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    // Indentation.

    fn roll(&mut self, column: usize, token: Option<usize>, kind: Kind<'a>, mark: Place) -> Scanned<()> {
        let column = column as isize;
        if self.in_flow() || self.indent >= column {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column;
        if self.indents.len() > MAX_DEPTH {
            let context = self.keys[self.keys.len() - 1].mark;
            return self.fault(&format!("exceeded max depth of {MAX_DEPTH}"), context);
        }
        match token {
            Some(token) => self.insert(token, kind, mark),
            None => self.push(kind, mark, mark),
        }
        Ok(())
    }

    fn unroll(&mut self, column: isize) {
        if self.in_flow() {
            return;
        }
        while self.indent > column {
            self.push(Kind::BlockEnd, self.mark, self.mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }
}

/// The fault of what cannot be read; go-yaml does not say where it is.
fn unreadable(problem: &str) -> Fault {
    Fault { problem: problem.to_owned(), at: None, context: None, by_scanner: false }
}

/// Where a run of a plain scalar may end.
const MAY_END_PLAIN: [bool; 256] = chars::table(b" \t\r\n\0:,?[]{}\xc2\xe2");

/// The plain scalar, which needs what only the scanner knows.
impl<'a> Scanner<'a> {
    fn plain(&mut self) -> Scanned<(Cow<'a, str>, Place)> {
        let (start, indent, in_flow) = (self.mark, self.inner_indent(), self.in_flow());
        let mut joined = Joined::starting(self.pos);
        let mut end = start;
        loop {
            if self.mark.column == 0 && self.text.is_document_indicator(self.pos) || self.at(0) == b'#' {
                break;
            }
            let run = self.plain_run(in_flow);
            if run > self.pos {
                joined.run(self.source, self.pos, run);
                self.skip_to(run);
                end = self.mark;
            }
            if !(self.text.is_blank(self.pos) || self.text.is_break(self.pos)) {
                break;
            }
            while self.text.is_blank(self.pos) || self.text.is_break(self.pos) {
                if self.text.is_blank(self.pos) {
                    if joined.is_folding() && self.mark.column < indent && self.at(0) == b'\t' {
                        return self.fault("found a tab character that violates indentation", start);
                    }
                    self.skip();
                } else {
                    joined.line_break(self.line_break());
                }
            }
            if !in_flow && self.mark.column < indent {
                break;
            }
        }
        if joined.is_folding() {
            self.key_allowed = true;
        }
        Ok((joined.finish(self.source), end))
    }

    /// Returns where characters that belong to a plain scalar end on this line.
    fn plain_run(&self, in_flow: bool) -> usize {
        let mut pos = self.pos;
        loop {
            while let Some(byte) = self.text.bytes.get(pos)
                && !MAY_END_PLAIN[usize::from(*byte)]
            {
                pos += 1;
            }
            match self.text.at(pos) {
                b' ' | b'\t' | b'\r' | b'\n' | 0 => return pos,
                b':' if self.text.is_blank_or_end(pos + 1) => return pos,
                b',' | b'?' | b'[' | b']' | b'{' | b'}' if in_flow => return pos,
                0xc2 | 0xe2 if self.text.is_break(pos) => return pos,
                _ => pos += 1,
            }
        }
    }
}
