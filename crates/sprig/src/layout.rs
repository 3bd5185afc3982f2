//! Go's time layouts: a layout is the reference time `Mon Jan 2 15:04:05 MST 2006` written as wanted.

use crate::dates::{Time, Zone, days_from_civil};

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The parts of a layout, longest first where one starts with another.
const PARTS: &[&str] = &[
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "-07:00:00",
    "-07:00",
    "-070000",
    "-0700",
    "-07",
    "Z07:00:00",
    "Z07:00",
    "Z070000",
    "Z0700",
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

enum Part<'a> {
    Text(&'a str),
    Known(&'static str),
    /// A fraction of a second: how many digits, and whether trailing zeros go.
    Fraction(usize, bool),
}

/// Splits off what comes next in a layout.
fn next(layout: &str, after_second: bool) -> Option<(Part<'_>, &str)> {
    if layout.is_empty() {
        return None;
    }
    if let Some(found) = fraction(layout, after_second) {
        return Some(found);
    }
    for part in PARTS {
        let Some(rest) = layout.strip_prefix(part) else { continue };
        // "Jan" and "Mon" are no months and days in the middle of a word.
        if matches!(*part, "Jan" | "Mon") && rest.starts_with(|c: char| c.is_ascii_lowercase()) {
            continue;
        }
        if *part == "_2" && layout.starts_with("_2006") {
            return Some((Part::Text(&layout[..1]), &layout[1..]));
        }
        return Some((Part::Known(part), rest));
    }
    let width = layout.chars().next().map_or(1, char::len_utf8);
    Some((Part::Text(&layout[..width]), &layout[width..]))
}

fn fraction(layout: &str, _after_second: bool) -> Option<(Part<'_>, &str)> {
    let tail = layout.strip_prefix(['.', ','])?;
    let digit = tail.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let count = tail.chars().take_while(|c| *c == digit).count();
    let rest = &tail[count..];
    if rest.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some((Part::Fraction(count, digit == '9'), rest))
}

/// Writes a time in a layout.
pub(crate) fn format(time: &Time, layout: &str) -> String {
    let mut out = String::new();
    let mut rest = layout;
    while let Some((part, tail)) = next(rest, false) {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Fraction(digits, trims) => {
                let nanoseconds = format!("{:09}", time.nanoseconds);
                let kept = &nanoseconds[..digits.min(9)];
                let kept = if trims { kept.trim_end_matches('0') } else { kept };
                if !kept.is_empty() {
                    out.push_str(&rest[..1]);
                    out.push_str(kept);
                }
            }
            Part::Known(name) => known(&mut out, time, name),
        }
        rest = tail;
    }
    out
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
        "2006" => format!("{:04}", t.year),
        "06" => format!("{:02}", t.year.rem_euclid(100)),
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
        Zone::Utc => "UTC".to_owned(),
        Zone::Fixed { offset: seconds, name } if name.is_empty() => offset(i64::from(*seconds), "-0700"),
        Zone::Fixed { name, .. } => name.clone(),
    }
}

fn offset(offset: i64, layout: &str) -> String {
    if layout.starts_with('Z') && offset == 0 {
        return "Z".to_owned();
    }
    let sign = if offset < 0 { '-' } else { '+' };
    let (hours, minutes, seconds) = (offset.abs() / 3_600, offset.abs() % 3_600 / 60, offset.abs() % 60);
    match &layout[1..] {
        "07:00" => format!("{sign}{hours:02}:{minutes:02}"),
        "0700" => format!("{sign}{hours:02}{minutes:02}"),
        "07" => format!("{sign}{hours:02}"),
        "07:00:00" => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
        _ => format!("{sign}{hours:02}{minutes:02}{seconds:02}"),
    }
}

#[derive(Default)]
struct Fields {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    is_twelve_hours: bool,
    minute: i64,
    second: i64,
    nanoseconds: u32,
    afternoon: Option<bool>,
    offset: Option<i64>,
    zone: Option<String>,
}

/// Reads a time in a layout; the error is Go's text. Without a zone it is UTC.
pub(crate) fn parse(layout: &str, value: &str) -> Result<Time, String> {
    let quoted = go_template::quote::quote_text;
    let mut fields = Fields::default();
    let (mut rest, mut text) = (layout, value);
    while let Some((part, tail)) = next(rest, false) {
        let element = &rest[..rest.len() - tail.len()];
        let cannot = |text: &str| {
            format!("parsing time {} as {}: cannot parse {} as {}", quoted(value), quoted(layout), quoted(text), quoted(element))
        };
        text = match part {
            Part::Text(" ") => match text.strip_prefix(' ') {
                Some(tail) => tail.trim_start_matches(' '),
                None if text.is_empty() => return Err(cannot(text)),
                None => text,
            },
            Part::Text(part) => text.strip_prefix(part).ok_or_else(|| cannot(text))?,
            Part::Fraction(digits, optional) => read_fraction(&mut fields, text, digits, optional).ok_or_else(|| cannot(text))?,
            Part::Known(name) => {
                let tail = read(&mut fields, text, name).ok_or_else(|| cannot(text))?;
                fields.in_range().map_err(|what| format!("parsing time {}: {what} out of range", quoted(value)))?;
                // A fraction after the seconds is taken even if the layout has none.
                let implied = matches!(name, "05" | "5") && !matches!(next(tail_layout(rest, name), true), Some((Part::Fraction(..), _)));
                if implied { read_fraction(&mut fields, tail, 9, true).unwrap_or(tail) } else { tail }
            }
        };
        rest = tail;
    }
    if !text.is_empty() {
        return Err(format!("parsing time {}: extra text: {}", quoted(value), quoted(text)));
    }
    fields.time().map_err(|what| format!("parsing time {}: {what} out of range", quoted(value)))
}

fn tail_layout<'a>(rest: &'a str, name: &str) -> &'a str {
    &rest[name.len()..]
}

fn number(text: &str, min: usize, max: usize) -> Option<(i64, &str)> {
    let count = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
    if count < min {
        return None;
    }
    Some((text[..count].parse().ok()?, &text[count..]))
}

fn read_fraction<'t>(fields: &mut Fields, text: &'t str, digits: usize, optional: bool) -> Option<&'t str> {
    let Some(tail) = text.strip_prefix(['.', ',']).filter(|tail| tail.starts_with(|c: char| c.is_ascii_digit())) else {
        return optional.then_some(text);
    };
    let count = tail.bytes().take_while(u8::is_ascii_digit).count();
    let used = if optional { count } else { digits };
    if used > count {
        return None;
    }
    fields.nanoseconds = format!("{:0<9}", &tail[..used.min(9)]).parse().ok()?;
    Some(&tail[used..])
}

fn name<'t>(text: &'t str, names: &[&str], short: bool) -> Option<(i64, &'t str)> {
    names.iter().enumerate().find_map(|(i, name)| {
        let name = if short { &name[..3] } else { name };
        let head = text.get(..name.len())?;
        head.eq_ignore_ascii_case(name).then(|| (i as i64, &text[name.len()..]))
    })
}

fn read<'t>(fields: &mut Fields, text: &'t str, part: &str) -> Option<&'t str> {
    let (value, rest) = match part {
        "January" => name(text, &MONTHS, false)?,
        "Jan" => name(text, &MONTHS, true)?,
        "Monday" => name(text, &DAYS, false)?,
        "Mon" => name(text, &DAYS, true)?,
        "2006" => number(text, 4, 4)?,
        "06" | "01" | "02" | "03" | "04" | "05" => number(text, 2, 2)?,
        "_2" => number(text.strip_prefix(' ').unwrap_or(text), 1, 2)?,
        "1" | "2" | "3" | "4" | "5" => number(text, 1, 2)?,
        "15" => number(text, 2, 2)?,
        "002" => number(text, 3, 3)?,
        "__2" => number(text.trim_start_matches(' '), 1, 3)?,
        "PM" | "pm" => {
            let head = text.get(..2)?;
            let wanted = if part == "PM" { ["AM", "PM"] } else { ["am", "pm"] };
            fields.afternoon = Some(wanted.iter().position(|name| *name == head)? == 1);
            return text.get(2..);
        }
        "MST" => return read_zone_name(fields, text),
        _ => return read_offset(fields, text, part),
    };
    match part {
        "January" | "Jan" => fields.month = Some(value + 1),
        "Monday" | "Mon" => {}
        "2006" => fields.year = Some(value),
        "06" => fields.year = Some(if value >= 69 { value + 1900 } else { value + 2000 }),
        "01" | "1" => fields.month = Some(value),
        "02" | "_2" | "2" => fields.day = Some(value),
        "002" | "__2" => fields.year_day = Some(value),
        "15" | "03" | "3" => (fields.hour, fields.is_twelve_hours) = (value, part != "15"),
        "04" | "4" => fields.minute = value,
        _ => fields.second = value,
    }
    Some(rest)
}

fn read_zone_name<'t>(fields: &mut Fields, text: &'t str) -> Option<&'t str> {
    let count = text.bytes().take(5).take_while(u8::is_ascii_uppercase).count();
    if count < 3 {
        return None;
    }
    fields.zone = Some(text[..count].to_owned());
    Some(&text[count..])
}

fn read_offset<'t>(fields: &mut Fields, text: &'t str, part: &str) -> Option<&'t str> {
    if part.starts_with('Z')
        && let Some(rest) = text.strip_prefix('Z')
    {
        fields.zone = Some("UTC".to_owned());
        return Some(rest);
    }
    let (head, rest) = (text.get(..part.len())?, text.get(part.len()..)?);
    let negative = match head.as_bytes().first()? {
        b'-' => true,
        b'+' => false,
        _ => return None,
    };
    let shape_fits = head.bytes().zip(part.bytes()).skip(1).all(|(a, b)| if b == b':' { a == b':' } else { a.is_ascii_digit() });
    if !shape_fits {
        return None;
    }
    let digits: String = head.chars().filter(char::is_ascii_digit).collect();
    let pair = |i: usize| digits.get(i..i + 2).and_then(|pair| pair.parse::<i64>().ok()).unwrap_or(0);
    let offset = pair(0) * 3_600 + pair(2) * 60 + pair(4);
    fields.offset = Some(if negative { -offset } else { offset });
    Some(rest)
}

fn days_in(year: i64, month: i64) -> i64 {
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_from_civil(next_year, next_month, 1) - days_from_civil(year, month, 1)
}

fn check(holds: bool, what: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(what) }
}

impl Fields {
    /// Checks what Go checks as soon as it has read an element.
    fn in_range(&self) -> Result<(), &'static str> {
        check((1..=12).contains(&self.month.unwrap_or(1)), "month")?;
        check(self.hour < if self.is_twelve_hours { 13 } else { 24 }, "hour")?;
        check(self.minute < 60, "minute")?;
        check(self.second < 60, "second")
    }

    fn time(mut self) -> Result<Time, &'static str> {
        match self.afternoon {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        let year = self.year.unwrap_or(0);
        let month = self.month.unwrap_or(1);
        let day = self.day.unwrap_or(1);
        check((1..=days_in(year, month)).contains(&day), "day")?;
        let days = match self.year_day {
            Some(day) => {
                check((1..=days_from_civil(year + 1, 1, 1) - days_from_civil(year, 1, 1)).contains(&day), "day-of-year")?;
                days_from_civil(year, 1, 1) + day - 1
            }
            None => days_from_civil(year, month, day),
        };
        let local = days * 86_400 + self.hour * 3_600 + self.minute * 60 + self.second;
        let zone = match (self.offset, self.zone) {
            (Some(0), _) | (None, None) => Zone::Utc,
            (Some(offset), name) => Zone::Fixed { offset: offset as i32, name: name.unwrap_or_default() },
            (None, Some(name)) if name == "UTC" => Zone::Utc,
            (None, Some(name)) => Zone::Fixed { offset: 0, name },
        };
        let offset = if let Zone::Fixed { offset, .. } = &zone { i64::from(*offset) } else { 0 };
        Ok(Time { seconds: local - offset, nanoseconds: self.nanoseconds, zone })
    }
}
