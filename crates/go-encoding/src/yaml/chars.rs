//! What the characters of YAML text are to the scanner, on bytes of UTF-8 (`yamlprivateh.go` and `readerc.go` of yaml.v2 2.4.3).
//!
//! A position may lie behind the end of the text, where everything reads as NUL.

/// The text under the scanner.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    pub bytes: &'a [u8],
}

impl Text<'_> {
    /// Returns the byte at a position.
    #[inline(always)]
    pub fn at(self, pos: usize) -> u8 {
        self.bytes.get(pos).copied().unwrap_or(0)
    }

    pub fn is_end(self, pos: usize) -> bool {
        pos >= self.bytes.len()
    }

    pub fn is_blank(self, pos: usize) -> bool {
        matches!(self.at(pos), b' ' | b'\t')
    }

    /// Tells whether a line break starts here: CR, LF, NEL, LS or PS.
    #[inline(always)]
    pub fn is_break(self, pos: usize) -> bool {
        match self.at(pos) {
            b'\r' | b'\n' => true,
            0xc2 => self.at(pos + 1) == 0x85,
            0xe2 => self.at(pos + 1) == 0x80 && matches!(self.at(pos + 2), 0xa8 | 0xa9),
            _ => false,
        }
    }

    pub fn is_break_or_end(self, pos: usize) -> bool {
        self.is_end(pos) || self.is_break(pos)
    }

    /// Returns where the line that a position is on ends.
    pub fn line_end(self, pos: usize) -> usize {
        let rest = self.bytes.get(pos..).unwrap_or_default();
        let line = memchr::memchr2(b'\n', b'\r', rest).map_or(rest, |end| &rest[..end]);
        let wide = memchr::memchr2_iter(0xc2, 0xe2, line).find(|at| self.is_break(pos + at));
        pos + wide.unwrap_or(line.len())
    }

    #[inline(always)]
    pub fn is_blank_or_end(self, pos: usize) -> bool {
        match self.at(pos) {
            b' ' | b'\t' | b'\r' | b'\n' | 0 => true,
            0xc2 | 0xe2 => self.is_break(pos),
            _ => false,
        }
    }

    /// Tells whether `---` or `...` stands here, alone or before a blank. Only at the start of a line does it mean something.
    pub fn is_document_indicator(self, pos: usize) -> bool {
        let first = self.at(pos);
        matches!(first, b'-' | b'.') && self.at(pos + 1) == first && self.at(pos + 2) == first && self.is_blank_or_end(pos + 3)
    }

    /// Returns how many bytes the character here has.
    #[inline(always)]
    pub fn width(self, pos: usize) -> usize {
        match self.at(pos) {
            0x00..=0xbf => 1,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
        }
    }
}

/// Tells whether anchors, tag handles and directive names may hold the byte.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Returns the number of characters in a piece of UTF-8.
#[inline(always)]
pub(crate) fn count(bytes: &[u8]) -> usize {
    if bytes.is_ascii() { bytes.len() } else { bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count() }
}

/// Makes a table of some bytes.
pub(crate) const fn table(bytes: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
}

/// How many bytes go-yaml reads and checks at once.
const CHUNK: usize = 512;

/// What go-yaml says of a character that YAML does not allow.
const NOT_ALLOWED: &str = "control characters are not allowed";

/// Text as far as go-yaml reads it, and what it says of the rest.
#[derive(Clone, Copy)]
pub(crate) struct Readable<'a> {
    pub text: &'a str,
    /// Why reading stops at the end of `text`, where that is not the end.
    pub stops: Option<&'static str>,
}

impl<'a> Readable<'a> {
    /// Reads text up to a character that YAML does not allow.
    pub fn of_text(text: &'a str) -> Readable<'a> {
        match first_bad(text.as_bytes()) {
            None => Readable { text, stops: None },
            Some(bad) => Readable { text: &text[..read_before(text, bad)], stops: Some(NOT_ALLOWED) },
        }
    }

    /// Reads bytes up to what is no UTF-8.
    pub fn of_bytes(bytes: &'a [u8]) -> Readable<'a> {
        let error = match std::str::from_utf8(bytes) {
            Ok(text) => return Readable::of_text(text),
            Err(error) => error,
        };
        let (valid, rest) = bytes.split_at(error.valid_up_to());
        // What came before the fault was found to be text just now.
        let text = std::str::from_utf8(valid).unwrap_or_default();
        if first_bad(valid).is_some() {
            return Readable::of_text(text);
        }
        let problem = octet_problem(rest);
        // At the end of all bytes more is waited for, and what is there already is scanned.
        let end = if problem == INCOMPLETE { text.len() } else { read_before(text, text.len()) };
        Readable { text: &text[..end], stops: Some(problem) }
    }
}

const INCOMPLETE: &str = "incomplete UTF-8 octet sequence";

/// Says what is wrong with the first character of bytes that are no UTF-8, as `yaml_parser_update_buffer` does.
fn octet_problem(bytes: &[u8]) -> &'static str {
    let first = bytes.first().copied().unwrap_or_default();
    let width = match first {
        0x00..=0x7f => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => return "invalid leading UTF-8 octet",
    };
    let Some(rest) = bytes.get(1..width) else { return INCOMPLETE };
    if rest.iter().any(|octet| octet & 0xc0 != 0x80) {
        return "invalid trailing UTF-8 octet";
    }
    let is_long = match width {
        2 => first < 0xc2,
        3 => first == 0xe0 && rest[0] < 0xa0,
        _ => first == 0xf0 && rest[0] < 0x90,
    };
    if is_long { "invalid length of a UTF-8 sequence" } else { "invalid Unicode character" }
}

/// Returns how much of the text go-yaml scans before it notices what is wrong at `bad`.
///
/// It checks a chunk as a whole before it scans any of it, so what is wrong before that chunk is found first.
fn read_before(text: &str, bad: usize) -> usize {
    let (mut decoded, mut read) = (0, CHUNK);
    while read <= bad {
        let whole = (decoded..=read).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(read);
        read += CHUNK - (read - whole);
        decoded = whole;
    }
    decoded
}

fn first_bad(bytes: &[u8]) -> Option<usize> {
    const BLOCK: usize = 64;
    // Almost all text is fine: whole blocks are looked at without branches, and only a suspicious one byte by byte.
    for (number, block) in bytes.chunks(BLOCK).enumerate() {
        if block.iter().fold(false, |found, byte| found | is_suspicious(*byte)) {
            let start = number * BLOCK;
            let found = (start..start + block.len()).find(|pos| is_bad(bytes, *pos));
            if found.is_some() {
                return found;
            }
        }
    }
    None
}

fn is_suspicious(byte: u8) -> bool {
    (byte < 0x20) & (byte != b'\n') & (byte != b'\t') & (byte != b'\r') | (byte == 0x7f) | (byte == 0xc2) | (byte == 0xef)
}

fn is_bad(bytes: &[u8], pos: usize) -> bool {
    let next = |ahead: usize| bytes.get(pos + ahead).copied().unwrap_or(0);
    match bytes[pos] {
        0xc2 => matches!(next(1), 0x80..=0x84 | 0x86..=0x9f),
        0xef => next(1) == 0xbf && matches!(next(2), 0xbe | 0xbf),
        byte => is_suspicious(byte),
    }
}
