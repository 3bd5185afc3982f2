//! Texts of strangers, made fit for a terminal or a log.

/// Tells whether a character does something else than to be seen: a terminal or log obeys it, or it changes the order in which others are read.
pub fn is_unseen(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}')
}

/// Returns the first characters of a text that may be long or hold anything, as one line of what can be seen.
pub fn shown(text: &str, most: usize) -> String {
    let mut line = String::new();
    for c in text.chars().take(most) {
        if c == '\\' || is_unseen(c) { line.extend(c.escape_debug()) } else { line.push(c) }
    }
    if text.chars().nth(most).is_some() {
        line.push('…');
    }
    line
}

/// Returns a number of things, in words.
pub fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_out_and_what_is_long_is_cut() {
        for (text, expected) in [
            ("plain \"text\" of\u{301} ⚠\u{fe0f}", "plain \"text\" of\u{301} ⚠\u{fe0f}"),
            ("a\u{1b}[31m\nb\r\0\u{9b}", r"a\u{1b}[31m\nb\r\0\u{9b}"),
            ("\u{202e}c\u{2028}", r"\u{202e}c\u{2028}"),
            (r"\u{1b}", r"\\u{1b}"),
        ] {
            assert_eq!(shown(text, 200), expected);
        }
        assert_eq!(shown("äöü", 2), "äö…");
        assert_eq!(shown("äö", 2), "äö");
    }
}
