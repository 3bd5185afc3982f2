//! Case and word rules: Go's `unicode` mappings of single characters, and the word splitter of xstrings 1.5.

use go_template::quote::is_letter;
use unicode_general_category::{GeneralCategory, get_general_category};

/// Maps one character to one, as Go; characters whose capital is longer stay.
pub(crate) fn to_upper(c: char) -> char {
    single(c.to_uppercase(), c)
}

pub(crate) fn to_lower(c: char) -> char {
    if c == 'İ' { 'i' } else { single(c.to_lowercase(), c) }
}

fn single(mut mapped: impl Iterator<Item = char>, c: char) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

fn is_upper(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_uppercase();
    }
    get_general_category(c) == GeneralCategory::UppercaseLetter
}

fn is_lower(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_lowercase();
    }
    get_general_category(c) == GeneralCategory::LowercaseLetter
}

fn is_number(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_digit();
    }
    use GeneralCategory as G;
    matches!(get_general_category(c), G::DecimalNumber | G::LetterNumber | G::OtherNumber)
}

fn is_punct(c: char) -> bool {
    if c.is_ascii_alphanumeric() {
        return false;
    }
    use GeneralCategory as G;
    matches!(
        get_general_category(c),
        G::ConnectorPunctuation
            | G::DashPunctuation
            | G::OpenPunctuation
            | G::ClosePunctuation
            | G::InitialPunctuation
            | G::FinalPunctuation
            | G::OtherPunctuation
    )
}

/// Makes the first letter of each word a capital, as `strings.Title`.
pub(crate) fn title(text: &[char]) -> String {
    let mut previous = ' ';
    let change = |c: &char| {
        let separated = match previous {
            p if p.is_ascii() => !(p.is_ascii_alphanumeric() || p == '_'),
            p => !is_letter(p) && !go_template::quote::is_digit(p) && p.is_whitespace(),
        };
        previous = *c;
        if separated { to_upper(*c) } else { *c }
    };
    text.iter().map(change).collect()
}

/// Makes the first letter of each word small.
pub(crate) fn untitle(text: &[char]) -> String {
    let mut next = true;
    let change = |c: &char| {
        if c.is_whitespace() {
            next = true;
            return *c;
        }
        if std::mem::take(&mut next) { to_lower(*c) } else { *c }
    };
    text.iter().map(change).collect()
}

/// Swaps cases; a small letter after white space becomes a title letter, which here is its capital.
pub(crate) fn swap_case(text: &[char]) -> String {
    let swap = |c: &char| match get_general_category(*c) {
        GeneralCategory::UppercaseLetter | GeneralCategory::TitlecaseLetter => to_lower(*c),
        _ if is_lower(*c) => to_upper(*c),
        _ => *c,
    };
    text.iter().map(swap).collect()
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || c.is_whitespace()
}

fn is_alphabet(c: char) -> bool {
    // Scripts without case are words of their own kind for the splitter.
    is_letter(c) && (is_upper(c) || is_lower(c) || !is_caseless_script(c))
}

fn is_caseless_script(c: char) -> bool {
    matches!(c as u32, 0x1100..=0x11ff | 0x2e80..=0x9fff | 0xa960..=0xa97f | 0xac00..=0xd7ff | 0xf900..=0xfaff | 0xff65..=0xffdc | 0x20000..=0x3ffff)
}

/// Joins words in PascalCase, as `xstrings.ToPascalCase`.
pub(crate) fn pascal_case(text: &[char]) -> String {
    let mut out = String::new();
    let start = text.iter().position(|c| !is_connector(*c)).unwrap_or(text.len());
    out.extend(&text[..start]);
    let Some(first) = text.get(start) else {
        // The library writes the last connector twice when there is nothing else.
        out.extend(text.last());
        return out;
    };
    let mut first_upper = is_upper(*first);
    let mut current = to_upper(*first);
    for c in &text[start + 1..] {
        let previous = current;
        current = *c;
        if is_connector(current) && is_connector(previous) {
            out.push(previous);
        } else if is_connector(previous) {
            first_upper = is_upper(current);
            current = to_upper(current);
        } else {
            if first_upper {
                if is_upper(current) {
                    current = to_lower(current);
                } else {
                    first_upper = false;
                }
            }
            out.push(previous);
        }
    }
    out.push(current);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Invalid,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punct,
    Other,
}

/// Splits off the first word.
fn next_word(text: &[char]) -> (Word, &[char], &[char]) {
    let Some(first) = text.first().copied() else { return (Word::Invalid, text, text) };
    let run = |from: usize, holds: &dyn Fn(char) -> bool| from + text[from..].iter().take_while(|c| holds(**c)).count();
    let small = |c: char| is_alphabet(c) && !is_upper(c);
    let (word, end) = if first == '\u{fffd}' {
        (Word::Invalid, 1)
    } else if is_connector(first) {
        (Word::Connector, run(1, &is_connector))
    } else if is_punct(first) {
        (Word::Punct, run(1, &is_punct))
    } else if is_upper(first) {
        let mut end = 1;
        match text.get(1) {
            Some(second) if is_upper(*second) => {
                end = run(1, &is_upper);
                // The last capital starts the next word when small letters follow.
                if text.get(end).is_some_and(|c| is_alphabet(*c)) {
                    end -= 1;
                }
            }
            Some(second) if is_alphabet(*second) => end = run(1, &small),
            _ => {}
        }
        (Word::Upper, end)
    } else if is_alphabet(first) {
        (Word::Alphabet, run(1, &small))
    } else if is_number(first) {
        (Word::Number, run(1, &is_number))
    } else {
        (Word::Other, run(1, &|c| !(is_connector(c) || is_alphabet(c) || is_number(c) || is_punct(c))))
    };
    (word, &text[..end], &text[end..])
}

struct Joiner {
    out: String,
    connector: char,
}

impl Joiner {
    fn push(&mut self, word: Word, text: &[char]) {
        for c in text {
            self.out.push(match word {
                Word::Upper | Word::Connector if is_connector(*c) => self.connector,
                Word::Upper | Word::Connector if is_upper(*c) => to_lower(*c),
                _ => *c,
            });
        }
    }

    fn connect_unless(&mut self, word: Word, unless: &[Word]) {
        if !unless.contains(&word) {
            self.out.push(self.connector);
        }
    }
}

/// Joins small words with a connector, as `xstrings.ToSnakeCase` and `ToKebabCase`.
pub(crate) fn lower_case(text: &[char], connector: char) -> String {
    let mut joiner = Joiner { out: String::new(), connector };
    let (mut kind, mut word, mut rest) = next_word(text);
    while !rest.is_empty() {
        if kind != Word::Connector {
            joiner.push(kind, word);
        }
        let (previous, last) = (kind, word);
        (kind, word, rest) = next_word(rest);
        match previous {
            Word::Number => {
                while matches!(kind, Word::Alphabet | Word::Number) {
                    joiner.push(kind, word);
                    (kind, word, rest) = next_word(rest);
                }
                joiner.connect_unless(kind, &[Word::Invalid, Word::Punct, Word::Connector]);
            }
            Word::Connector => joiner.push(previous, last),
            Word::Punct => {}
            _ if kind != Word::Number => joiner.connect_unless(kind, &[Word::Connector, Word::Punct]),
            _ if rest.is_empty() => {}
            _ => {
                let number = word;
                (kind, word, rest) = next_word(rest);
                if kind != Word::Alphabet {
                    joiner.push(Word::Number, number);
                    joiner.connect_unless(kind, &[Word::Connector, Word::Punct]);
                    continue;
                }
                joiner.out.push(connector);
                joiner.push(Word::Number, number);
                while matches!(kind, Word::Alphabet | Word::Number) {
                    joiner.push(kind, word);
                    (kind, word, rest) = next_word(rest);
                }
                joiner.connect_unless(kind, &[Word::Invalid, Word::Connector, Word::Punct]);
            }
        }
    }
    joiner.push(kind, word);
    joiner.out
}
