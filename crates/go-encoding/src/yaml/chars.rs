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
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// How many bytes go-yaml reads and checks at once.
const CHUNK: usize = 512;

/// Returns where reading stops before a character that YAML does not allow, if there is one.
///
/// go-yaml checks a chunk as a whole before it scans any of it, so what is wrong before that chunk is found first.
pub(crate) fn reading_stops(text: &str) -> Option<usize> {
    let bad = first_bad(text.as_bytes())?;
    let (mut decoded, mut read) = (0, CHUNK);
    while read <= bad {
        let whole = (decoded..=read).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(read);
        read += CHUNK - (read - whole);
        decoded = whole;
    }
    Some(decoded)
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
