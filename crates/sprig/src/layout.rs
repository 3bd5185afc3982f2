//! Go's time layouts: a layout is the reference time `Mon Jan 2 15:04:05 MST 2006` written as wanted (`time/format.go` of Go 1.26).

use crate::dates::{Time, Zone};

pub(crate) const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
pub(crate) const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The parts of a layout; where one starts with another, the one that Go tries first comes first.
const PARTS: &[&str] = &[
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "-070000",
    "-07:00:00",
    "-0700",
    "-07:00",
    "-07",
    "Z070000",
    "Z07:00:00",
    "Z0700",
    "Z07:00",
    "Z07",
    "002",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "__2",
    "_2",
    "15",
    "PM",
    "pm",
    "1",
    "2",
    "3",
    "4",
    "5",
];

#[derive(Clone, Copy)]
pub(crate) enum Part {
    Known(&'static str),
    /// A fraction of a second: how many digits, and whether trailing zeros go.
    Fraction(usize, bool),
}

/// Is a layout from its start: plain text, the part after it, and what follows (`nextStdChunk`).
pub(crate) struct Chunk<'a> {
    pub prefix: &'a str,
    pub part: Option<Part>,
    pub element: &'a str,
    pub suffix: &'a str,
}

pub(crate) fn next(layout: &str) -> Chunk<'_> {
    let found = layout.char_indices().find_map(|(at, _)| {
        let (part, width) = part_at(&layout[at..])?;
        // The underscore before a long year is text.
        let at = if layout[at..].starts_with("_2006") { at + 1 } else { at };
        Some(Chunk { prefix: &layout[..at], part: Some(part), element: &layout[at..at + width], suffix: &layout[at + width..] })
    });
    found.unwrap_or(Chunk { prefix: layout, part: None, element: "", suffix: "" })
}

fn part_at(layout: &str) -> Option<(Part, usize)> {
    if let Some(found) = fraction(layout) {
        return Some(found);
    }
    if layout.starts_with("_2006") {
        return Some((Part::Known("2006"), 4));
    }
    let fits = |part: &&&str| {
        let Some(rest) = layout.strip_prefix(**part) else { return false };
        // "Jan" and "Mon" are no months and days in the middle of a word.
        !(matches!(**part, "Jan" | "Mon") && rest.starts_with(|c: char| c.is_ascii_lowercase()))
    };
    PARTS.iter().find(fits).map(|part| (Part::Known(part), part.len()))
}

fn fraction(layout: &str) -> Option<(Part, usize)> {
    let tail = layout.strip_prefix(['.', ','])?;
    let digit = tail.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let count = tail.chars().take_while(|c| *c == digit).count();
    if tail[count..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some((Part::Fraction(count, digit == '9'), count + 1))
}

/// Writes a time in a layout.
pub(crate) fn format(time: &Time, layout: &str) -> String {
    let mut out = String::new();
    let mut rest = layout;
    loop {
        let chunk = next(rest);
        out.push_str(chunk.prefix);
        match chunk.part {
            None => return out,
            Some(Part::Known(name)) => known(&mut out, time, name),
            Some(Part::Fraction(digits, trims)) => push_fraction(&mut out, time.nanoseconds, &chunk.element[..1], digits, trims),
        }
        rest = chunk.suffix;
    }
}

fn push_fraction(out: &mut String, nanoseconds: u32, separator: &str, digits: usize, trims: bool) {
    let nanoseconds = format!("{nanoseconds:09}");
    let kept = &nanoseconds[..digits.min(9)];
    let kept = if trims { kept.trim_end_matches('0') } else { kept };
    if !kept.is_empty() {
        out.push_str(separator);
        out.push_str(kept);
    }
}

fn known(out: &mut String, time: &Time, name: &str) {
    let t = time.civil();
    let hour12 = if t.hour % 12 == 0 { 12 } else { t.hour % 12 };
    let month = MONTHS[(t.month - 1).clamp(0, 11) as usize];
    let day = DAYS[t.weekday.clamp(0, 6) as usize];
    out.push_str(&match name {
        "January" => month.to_owned(),
        "Jan" => month[..3].to_owned(),
        "Monday" => day.to_owned(),
        "Mon" => day[..3].to_owned(),
        "2006" if t.year < 0 => format!("-{:04}", -t.year),
        "2006" => format!("{:04}", t.year),
        "06" => format!("{:02}", t.year.abs() % 100),
        "01" => format!("{:02}", t.month),
        "1" => t.month.to_string(),
        "02" => format!("{:02}", t.day),
        "_2" => format!("{:>2}", t.day),
        "2" => t.day.to_string(),
        "002" => format!("{:03}", t.year_day),
        "__2" => format!("{:>3}", t.year_day),
        "15" => format!("{:02}", t.hour),
        "03" => format!("{hour12:02}"),
        "3" => hour12.to_string(),
        "04" => format!("{:02}", t.minute),
        "4" => t.minute.to_string(),
        "05" => format!("{:02}", t.second),
        "5" => t.second.to_string(),
        "PM" => if t.hour >= 12 { "PM" } else { "AM" }.to_owned(),
        "pm" => if t.hour >= 12 { "pm" } else { "am" }.to_owned(),
        "MST" => zone_name(time),
        name => offset(time.offset(), name),
    });
}

fn zone_name(time: &Time) -> String {
    match &time.zone {
        Zone::Utc | Zone::Local => "UTC".to_owned(),
        Zone::Fixed { offset: seconds, name } if name.is_empty() => offset(i64::from(*seconds), "-0700"),
        Zone::Fixed { name, .. } => name.clone(),
    }
}

fn offset(offset: i64, layout: &str) -> String {
    if layout.starts_with('Z') && offset == 0 {
        return "Z".to_owned();
    }
    // Go drops the seconds before it looks at the sign.
    let sign = if offset / 60 < 0 { '-' } else { '+' };
    let absolute = if offset / 60 < 0 { -offset } else { offset };
    let (hours, minutes, seconds) = (offset.abs() / 3_600, offset.abs() % 3_600 / 60, absolute % 60);
    match &layout[1..] {
        "07:00" => format!("{sign}{hours:02}:{minutes:02}"),
        "0700" => format!("{sign}{hours:02}{minutes:02}"),
        "07" => format!("{sign}{hours:02}"),
        "07:00:00" => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
        _ => format!("{sign}{hours:02}{minutes:02}{seconds:02}"),
    }
}
