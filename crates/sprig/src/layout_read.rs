//! Reading times in Go's layouts (`parse` in `time/format.go` of Go 1.26), errors included. Local time is UTC.

use crate::dates::{Time, Zone, days_from_civil};
use crate::layout::{DAYS, MONTHS, Part, next};

#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanoseconds: u32,
    afternoon: Option<bool>,
    is_utc: bool,
    offset: Option<i64>,
    zone: Option<String>,
}

/// Is why an element could not be read.
enum Bad {
    /// It is something else.
    Shape,
    /// Its value cannot be; what is named.
    Range(&'static str),
}

type Read<'t, T> = Result<(T, &'t [u8]), Bad>;

/// Reads a time in a layout; the error is Go's text.
pub(crate) fn parse(layout: &str, value: &[u8]) -> Result<Time, String> {
    let mut fields = Fields::default();
    let (mut rest, mut text) = (layout, value);
    let wrong = |what: &str| format!("parsing time {}: {what}", quoted(value));
    let cannot = |text: &[u8], element: &str| {
        let (value, layout) = (quoted(value), quoted(layout.as_bytes()));
        format!("parsing time {value} as {layout}: cannot parse {} as {}", quoted(text), quoted(element.as_bytes()))
    };
    loop {
        let chunk = next(rest);
        text = skip(text, chunk.prefix.as_bytes()).map_err(|text| cannot(text, chunk.prefix))?;
        let Some(part) = chunk.part else { break };
        text = fields.read(text, part, chunk.suffix).map_err(|bad| match bad {
            Bad::Shape => cannot(text, chunk.element),
            Bad::Range(what) => wrong(&format!("{what} out of range")),
        })?;
        rest = chunk.suffix;
    }
    if !text.is_empty() {
        return Err(wrong(&format!("extra text: {}", quoted(text))));
    }
    fields.time().map_err(wrong)
}

/// Quotes as the package `time` does: every byte that is no plain ASCII in hexadecimal.
pub(crate) fn quoted(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(*byte)]),
            b' '..=0x7f => out.push(char::from(*byte)),
            other => out.push_str(&format!("\\x{other:02x}")),
        }
    }
    out.push('"');
    out
}

/// Steps over the text of a layout; a space there stands for any number of them.
fn skip<'t>(mut text: &'t [u8], mut prefix: &[u8]) -> Result<&'t [u8], &'t [u8]> {
    let trimmed = |text: &[u8]| text.iter().take_while(|byte| **byte == b' ').count();
    while let Some(first) = prefix.first() {
        if *first == b' ' {
            if text.first().is_some_and(|byte| *byte != b' ') {
                return Err(text);
            }
            (prefix, text) = (&prefix[trimmed(prefix)..], &text[trimmed(text)..]);
        } else {
            text = text.strip_prefix(&[*first]).ok_or(text)?;
            prefix = &prefix[1..];
        }
    }
    Ok(text)
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Reads a number of at most so many digits.
fn number(text: &[u8], least: usize, most: usize) -> Read<'_, i64> {
    let count = digits(text).min(most);
    if count < least {
        return Err(Bad::Shape);
    }
    Ok((text[..count].iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')), &text[count..]))
}

fn in_range(value: i64, range: std::ops::Range<i64>, what: &'static str) -> Result<i64, Bad> {
    if range.contains(&value) { Ok(value) } else { Err(Bad::Range(what)) }
}

fn name<'t>(text: &'t [u8], names: &[&str], width: Option<usize>) -> Read<'t, i64> {
    let found = names.iter().enumerate().find_map(|(at, name)| {
        let name = &name.as_bytes()[..width.unwrap_or(name.len())];
        let (head, rest) = text.split_at_checked(name.len())?;
        head.eq_ignore_ascii_case(name).then_some((at as i64, rest))
    });
    found.ok_or(Bad::Shape)
}

/// Reads `[+-]digits` as `atoi`, which the year allows.
fn signed(text: &[u8]) -> Result<i64, Bad> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let (number, rest) = number(text, 0, text.len())?;
    if !rest.is_empty() {
        return Err(Bad::Shape);
    }
    Ok(if negative { -number } else { number })
}

impl Fields {
    fn read<'t>(&mut self, text: &'t [u8], part: Part, after: &str) -> Result<&'t [u8], Bad> {
        match part {
            Part::Fraction(count, false) => self.nanoseconds(text, count + 1),
            Part::Fraction(_, true) if starts_fraction(text) => self.nanoseconds(text, 1 + digits(&text[1..])),
            Part::Fraction(_, true) => Ok(text),
            Part::Known(part) => self.known(text, part, after),
        }
    }

    fn known<'t>(&mut self, text: &'t [u8], part: &str, after: &str) -> Result<&'t [u8], Bad> {
        let fixed = if part.len() == 2 { 2 } else { 1 };
        let rest;
        match part {
            "06" => {
                let (head, tail) = text.split_at_checked(2).ok_or(Bad::Shape)?;
                let year = signed(head)?;
                (self.year, rest) = (if year >= 69 { year + 1900 } else { year + 2000 }, tail);
            }
            "2006" => {
                let (head, tail) = text.split_at_checked(4).filter(|(head, _)| head[0].is_ascii_digit()).ok_or(Bad::Shape)?;
                (self.year, rest) = (signed(head)?, tail);
            }
            "January" | "Jan" => {
                let (month, tail) = name(text, &MONTHS, (part == "Jan").then_some(3))?;
                (self.month, rest) = (Some(month + 1), tail);
            }
            "Monday" | "Mon" => (_, rest) = name(text, &DAYS, (part == "Mon").then_some(3))?,
            "01" | "1" => {
                let (month, tail) = number(text, fixed, 2)?;
                (self.month, rest) = (Some(in_range(month, 1..13, "month")?), tail);
            }
            "02" | "2" => {
                let (day, tail) = number(text, fixed, 2)?;
                (self.day, rest) = (Some(day), tail);
            }
            "_2" => {
                let (day, tail) = number(text.strip_prefix(b" ").unwrap_or(text), 1, 2)?;
                (self.day, rest) = (Some(day), tail);
            }
            "002" | "__2" => {
                let is_padded = part == "__2";
                let padding = text.iter().take(2).take_while(|byte| is_padded && **byte == b' ').count();
                let (day, tail) = number(&text[padding..], if is_padded { 1 } else { 3 }, 3)?;
                (self.year_day, rest) = (Some(day), tail);
            }
            "15" => {
                let (hour, tail) = number(text, 1, 2)?;
                (self.hour, rest) = (in_range(hour, 0..24, "hour")?, tail);
            }
            "03" | "3" => {
                let (hour, tail) = number(text, fixed, 2)?;
                (self.hour, rest) = (in_range(hour, 0..13, "hour")?, tail);
            }
            "04" | "4" => {
                let (minute, tail) = number(text, fixed, 2)?;
                (self.minute, rest) = (in_range(minute, 0..60, "minute")?, tail);
            }
            "05" | "5" => {
                let (second, tail) = number(text, fixed, 2)?;
                self.second = in_range(second, 0..60, "second")?;
                // A fraction after the seconds is taken even if the layout has none.
                let is_implied = starts_fraction(tail) && !matches!(next(after).part, Some(Part::Fraction(..)));
                rest = if is_implied { self.nanoseconds(tail, 1 + digits(&tail[1..]))? } else { tail };
            }
            "PM" | "pm" => {
                let (head, tail) = text.split_at_checked(2).ok_or(Bad::Shape)?;
                let names: [&[u8]; 2] = if part == "PM" { [b"AM", b"PM"] } else { [b"am", b"pm"] };
                (self.afternoon, rest) = (Some(names.iter().position(|name| *name == head).ok_or(Bad::Shape)? == 1), tail);
            }
            "MST" => return self.zone_name(text),
            _ => return self.zone_offset(text, part),
        }
        Ok(rest)
    }

    fn nanoseconds<'t>(&mut self, text: &'t [u8], count: usize) -> Result<&'t [u8], Bad> {
        let (head, rest) = text.split_at_checked(count).ok_or(Bad::Shape)?;
        let used = &head[..count.min(10)];
        if !matches!(used.first(), Some(b'.' | b',')) {
            return Err(Bad::Shape);
        }
        let number = in_range(signed(&used[1..])?, 0..i64::MAX, "fractional second")?;
        self.nanoseconds = (number * 10_i64.pow((10 - used.len()) as u32)) as u32;
        Ok(rest)
    }

    fn zone_name<'t>(&mut self, text: &'t [u8]) -> Result<&'t [u8], Bad> {
        if let Some(rest) = text.strip_prefix(b"UTC") {
            self.is_utc = true;
            return Ok(rest);
        }
        let (name, rest) = text.split_at(zone_name_length(text).ok_or(Bad::Shape)?);
        self.zone = Some(String::from_utf8_lossy(name).into_owned());
        Ok(rest)
    }

    fn zone_offset<'t>(&mut self, text: &'t [u8], part: &str) -> Result<&'t [u8], Bad> {
        if part.starts_with('Z')
            && let Some(rest) = text.strip_prefix(b"Z")
        {
            self.is_utc = true;
            return Ok(rest);
        }
        let (head, rest) = text.split_at_checked(part.len()).ok_or(Bad::Shape)?;
        let colons_fit = head.iter().zip(part.bytes()).all(|(byte, wanted)| wanted != b':' || *byte == b':');
        if !colons_fit {
            return Err(Bad::Shape);
        }
        let plain: Vec<u8> =
            head[1..].iter().zip(part.bytes().skip(1)).filter(|(_, wanted)| *wanted != b':').map(|(byte, _)| *byte).collect();
        let mut parts = [0; 3];
        let mut bad = None;
        for (into, pair) in parts.iter_mut().zip(plain.chunks(2)) {
            match number(pair, 2, 2) {
                Ok((read, _)) => *into = read,
                Err(fault) => {
                    bad = Some(fault);
                    break;
                }
            }
        }
        let [hours, minutes, seconds] = parts;
        for (value, most, what) in
            [(seconds, 61, "time zone offset second"), (minutes, 61, "time zone offset minute"), (hours, 25, "time zone offset hour")]
        {
            in_range(value, 0..most, what)?;
        }
        let offset = (hours * 60 + minutes) * 60 + seconds;
        match (head[0], bad) {
            (b'+', None) => self.offset = Some(offset),
            (b'-', None) => self.offset = Some(-offset),
            _ => return Err(Bad::Shape),
        }
        Ok(rest)
    }

    fn time(mut self) -> Result<Time, &'static str> {
        match self.afternoon {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        let (month, day) = self.date()?;
        if !(1..=days_in(self.year, month)).contains(&day) {
            return Err("day out of range");
        }
        let days = days_from_civil(self.year, month, day);
        let local = days * 86_400 + self.hour * 3_600 + self.minute * 60 + self.second;
        let zone = self.location();
        // What only has the name of a zone is taken for UTC, even where the name tells more.
        let offset = if self.is_utc { 0 } else { self.offset.filter(|offset| *offset != -1).unwrap_or(0) };
        Ok(Time { seconds: local - offset, nanoseconds: self.nanoseconds, zone })
    }

    /// Returns month and day, which the day of the year may give.
    fn date(&self) -> Result<(i64, i64), &'static str> {
        let Some(year_day) = self.year_day else { return Ok((self.month.unwrap_or(1), self.day.unwrap_or(1))) };
        let is_leap = days_in(self.year, 2) == 29;
        if year_day < 1 || year_day > 365 + i64::from(is_leap) {
            return Err("day-of-year out of range");
        }
        let (mut month, mut day) = (1, year_day);
        while day > days_in(self.year, month) {
            day -= days_in(self.year, month);
            month += 1;
        }
        if self.month.is_some_and(|given| given != month) {
            return Err("day-of-year does not match month");
        }
        if self.day.is_some_and(|given| given != day) {
            return Err("day-of-year does not match day");
        }
        Ok((month, day))
    }

    fn location(&self) -> Zone {
        let name = self.zone.as_deref().unwrap_or_default();
        if self.is_utc {
            return Zone::Utc;
        }
        match self.offset.filter(|offset| *offset != -1) {
            Some(0) if matches!(name, "" | "UTC") => Zone::Local,
            Some(offset) => Zone::Fixed { offset: offset as i32, name: name.to_owned() },
            None if matches!(name, "" | "UTC") => Zone::Local,
            None => {
                let hours = name.strip_prefix("GMT").and_then(|hours| hours.parse::<i32>().ok()).unwrap_or(0);
                Zone::Fixed { offset: hours * 3_600, name: name.to_owned() }
            }
        }
    }
}

fn starts_fraction(text: &[u8]) -> bool {
    matches!(text, [b'.' | b',', digit, ..] if digit.is_ascii_digit())
}

/// Returns how long the name of a zone is (`parseTimeZone`).
fn zone_name_length(text: &[u8]) -> Option<usize> {
    if text.starts_with(b"ChST") || text.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(rest) = text.strip_prefix(b"GMT") {
        return Some(3 + signed_offset(rest));
    }
    if text.len() >= 3 && matches!(text[0], b'+' | b'-') {
        return Some(signed_offset(text)).filter(|length| *length > 0);
    }
    match text.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count() {
        5 if text[4] == b'T' => Some(5),
        4 if text[3] == b'T' || text.starts_with(b"WITA") => Some(4),
        3 => Some(3),
        _ => None,
    }
}

fn signed_offset(text: &[u8]) -> usize {
    let Some([b'+' | b'-', rest @ ..]) = text.get(..) else { return 0 };
    let count = digits(rest);
    match number(rest, 1, count.min(18)) {
        Ok((hours, _)) if hours <= 23 && count <= 18 => 1 + count,
        _ => 0,
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_from_civil(next_year, next_month, 1) - days_from_civil(year, month, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go 1.26 says.
    #[test]
    fn words_errors_as_go_does() {
        let check = |layout: &str, value: &str, expect: &str| {
            assert_eq!(parse(layout, value.as_bytes()).map(|time| time.seconds), Err(format!("parsing time {expect}")), "{layout} {value}");
        };
        check(" T", "21", r#""21" as " T": cannot parse "21" as " T""#);
        check("2006-01-02", "2020-13-01", r#""2020-13-01": month out of range"#);
        check("2006-01-02", "2021-02-29", r#""2021-02-29": day out of range"#);
        check("2006 002", "2021 366", r#""2021 366": day-of-year out of range"#);
        check("15", "é", r#""\xc3\xa9" as "15": cannot parse "\xc3\xa9" as "15""#);
        check("2006", "2020x", r#""2020x": extra text: "x""#);
    }
}
