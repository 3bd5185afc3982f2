//! The order in which go-yaml writes mapping keys: a natural sort on characters (`sorter.go` of v2 and v3).

use std::cmp::Ordering;

use super::emit::Dialect;

/// Returns whether `left` sorts before `right`.
pub(crate) fn less(left: &str, right: &str, dialect: Dialect) -> bool {
    if left.is_ascii() && right.is_ascii() {
        return less_by(left.as_bytes(), right.as_bytes(), dialect, |byte| char::from(*byte));
    }
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    less_by(&left, &right, dialect, |c| *c)
}

fn less_by<T>(left: &[T], right: &[T], dialect: Dialect, at: fn(&T) -> char) -> bool {
    let mut after_digit = false;
    for position in 0..left.len().min(right.len()) {
        let (a, b) = (at(&left[position]), at(&right[position]));
        if a == b {
            after_digit = a.is_ascii_digit();
            continue;
        }
        return match (is_letter(a), is_letter(b)) {
            (true, true) => a < b,
            (true, false) => dialect == Dialect::V3 && after_digit,
            (false, true) => !(dialect == Dialect::V3 && after_digit),
            (false, false) => less_number(left, right, position, at),
        };
    }
    left.len() < right.len()
}

/// Compares the runs of digits that start at `position`, where the two differ and neither is a letter.
fn less_number<T>(left: &[T], right: &[T], position: usize, at: fn(&T) -> char) -> bool {
    let (a, b) = (at(&left[position]), at(&right[position]));
    let mut seed = 0i64;
    if a == '0' || b == '0' {
        // Zeros inside a number count, leading ones do not.
        seed = i64::from(left[..position].iter().rev().map(at).take_while(char::is_ascii_digit).any(|digit| digit != '0'));
    }
    let run = |text: &[T]| {
        let mut value = seed;
        let mut end = position;
        while let Some(digit) = text.get(end).map(at).and_then(|c| c.to_digit(10)) {
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
            end += 1;
        }
        (value, end)
    };
    match run(left).cmp(&run(right)) {
        Ordering::Equal => a < b,
        order => order == Ordering::Less,
    }
}

/// `unicode.IsLetter`, near enough: Rust has no letter category, and counts letter-like numbers as alphabetic.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || (!c.is_ascii() && c.is_alphabetic() && !c.is_numeric())
}

/// Sorts keys by [`less`]. The relation is not a proper order for every input, so this is a plain merge that cannot go wrong on it.
pub(crate) fn sort<T>(mut entries: Vec<(&str, T)>, dialect: Dialect) -> Vec<(&str, T)> {
    if entries.len() <= 24 {
        for end in 1..entries.len() {
            let mut position = end;
            while position > 0 && less(entries[position].0, entries[position - 1].0, dialect) {
                entries.swap(position, position - 1);
                position -= 1;
            }
        }
        return entries;
    }
    let tail = entries.split_off(entries.len() / 2);
    merge(sort(entries, dialect), sort(tail, dialect), dialect)
}

fn merge<'a, T>(left: Vec<(&'a str, T)>, right: Vec<(&'a str, T)>, dialect: Dialect) -> Vec<(&'a str, T)> {
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if less(b.0, a.0, dialect) { right.next() } else { left.next() };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_as_go_yaml_does() {
        let expect = [
            "", "_x", "1", "2", "10", "A", "B", "a", "a-b", "a/b", "a_b", "a1", "a01", "a9", "a10", "a1b", "aB", "aa", "b-c", "b.c", "bc",
            "true", "é",
        ];
        let mut shuffled: Vec<(&str, ())> = expect.iter().map(|key| (*key, ())).collect();
        shuffled.reverse();
        let sorted: Vec<&str> = sort(shuffled, Dialect::V2).into_iter().map(|(key, ())| key).collect();
        // The relation is no proper order around digits followed by letters: only what go-yaml fixes is compared.
        assert_eq!(sorted[..10], expect[..10]);
        assert_eq!(sorted.last(), Some(&"é"));
    }

    #[test]
    fn keeps_every_key_of_a_long_mapping() {
        let keys: Vec<String> = (0..100).map(|n| format!("k{}", 99 - n)).collect();
        let sorted = sort(keys.iter().map(|key| (key.as_str(), ())).collect(), Dialect::V2);
        assert!(sorted.iter().enumerate().all(|(n, (key, ()))| *key == format!("k{n}")));
    }
}
