//! Dates and durations: Go's reference layouts, `time.Duration` text, and sprig's lenient arguments.
//!
//! The local zone is UTC, since a render must not depend on the machine. Zones come from the bundled IANA data.

use std::any::Any as StdAny;

use go_template::{Call, Func, Kind, Method, Native, Outcome, Type, UintKind, Value, fixed};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::args::{bytes, fail, func, string, text};
use crate::env::now;
use crate::{layout, layout_read};

use Type::{Any, Named, String as Text};

const TIME: Type = Named("time.Time");

pub(crate) const FUNCS: &[Func] = &[
    func("ago", fixed(&[Any]), ago),
    func("date", fixed(&[Text, Any]), |call, a| date_in(call, &text(a, 0), &a[1], "Local")),
    func("dateInZone", fixed(&[Text, Any, Text]), |call, a| date_in(call, &text(a, 0), &a[1], &text(a, 2))),
    func("dateModify", fixed(&[Text, TIME]), |_, a| modify(a, false)),
    func("date_in_zone", fixed(&[Text, Any, Text]), |call, a| date_in(call, &text(a, 0), &a[1], &text(a, 2))),
    func("date_modify", fixed(&[Text, TIME]), |_, a| modify(a, false)),
    func("duration", fixed(&[Any]), |_, a| string(duration_text(seconds_of(&a[0]).wrapping_mul(SECOND)))),
    func("durationRound", fixed(&[Any]), duration_round),
    func("htmlDate", fixed(&[Any]), |call, a| date_in(call, "2006-01-02", &a[0], "Local")),
    func("htmlDateInZone", fixed(&[Any, Text]), |call, a| date_in(call, "2006-01-02", &a[0], &text(a, 1))),
    func("mustDateModify", fixed(&[Text, TIME]), |_, a| modify(a, true)),
    func("mustToDate", fixed(&[Text, Text]), |_, a| match layout_read::parse(&text(a, 0), bytes(a, 1)) {
        Ok(time) => Ok(Value::native(time)),
        Err(error) => fail(error),
    }),
    func("must_date_modify", fixed(&[Text, TIME]), |_, a| modify(a, true)),
    func("now", fixed(&[]), |call, _| {
        let (seconds, nanoseconds) = now(call);
        Ok(Value::native(Time { seconds, nanoseconds, zone: Zone::Local }))
    }),
    func("toDate", fixed(&[Text, Text]), |_, a| Ok(Value::native(layout_read::parse(&text(a, 0), bytes(a, 1)).unwrap_or(Time::ZERO)))),
    func("unixEpoch", fixed(&[TIME]), |_, a| string(a[0].downcast::<Time>().map_or(0, |time| time.seconds).to_string())),
];

/// Checks that a text is a time in a layout; the error is Go's text.
pub fn check_time(layout: &str, value: &[u8]) -> Result<(), String> {
    layout_read::parse(layout, value).map(|_| ())
}

pub(crate) const SECOND: i64 = 1_000_000_000;

/// Is how far local time is from UTC, and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    Utc,
    /// The machine's, which is UTC here under another name.
    Local,
    Fixed {
        offset: i32,
        name: String,
    },
}

/// Is Go's `time.Time`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Time {
    pub seconds: i64,
    pub nanoseconds: u32,
    pub zone: Zone,
}

/// Is a date and a time of day.
pub(crate) struct Civil {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    /// Sunday is zero.
    pub weekday: i64,
    /// Counted from one.
    pub year_day: i64,
}

/// Counts days from 1970-01-01 in the Gregorian calendar.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The day that Go counts from, in days before 1970: the first of March of the year -292277022400.
const FIRST_DAY: i64 = 106_751_991_073_400;

/// Splits seconds since 1970 into a date and a time of day. What is before its first day Go takes for the far end of time
/// (`time/time.go`, absSeconds).
pub(crate) fn civil(seconds: i64) -> Civil {
    let since_first = seconds.wrapping_add(FIRST_DAY * 86_400).cast_unsigned();
    let days = (since_first / 86_400).cast_signed() - FIRST_DAY;
    let rest = (since_first % 86_400).cast_signed();
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Civil {
        year,
        month,
        day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
        hour: rest / 3_600,
        minute: rest % 3_600 / 60,
        second: rest % 60,
        weekday: (days + 4).rem_euclid(7),
        year_day: days - days_from_civil(year, 1, 1) + 1,
    }
}

impl Time {
    /// Go's zero time, the first of January of the year 1.
    const ZERO: Time = Time { seconds: -62_135_596_800, nanoseconds: 0, zone: Zone::Utc };

    fn text(&self) -> String {
        layout::format(self, "2006-01-02 15:04:05.999999999 -0700 MST")
    }

    pub(crate) fn offset(&self) -> i64 {
        match &self.zone {
            Zone::Utc | Zone::Local => 0,
            Zone::Fixed { offset, .. } => i64::from(*offset),
        }
    }

    pub(crate) fn civil(&self) -> Civil {
        civil(self.seconds.wrapping_add(self.offset()))
    }

    fn plus(&self, nanoseconds: i64) -> Time {
        let total = i64::from(self.nanoseconds) + nanoseconds.rem_euclid(SECOND);
        let seconds = self.seconds.saturating_add(nanoseconds.div_euclid(SECOND)).saturating_add(total.div_euclid(SECOND));
        Time { seconds, nanoseconds: total.rem_euclid(SECOND) as u32, zone: self.zone.clone() }
    }

    /// Returns the same moment in another zone; an unknown name is UTC.
    fn in_zone(&self, name: &str) -> Time {
        let mut time = Time { zone: Zone::Utc, ..self.clone() };
        if matches!(name, "" | "UTC" | "Local") {
            time.zone = if name == "Local" { Zone::Local } else { Zone::Utc };
            return time;
        }
        if let (Ok(zone), Ok(stamp)) = (TimeZone::get(name), Timestamp::from_second(self.seconds)) {
            let info = zone.to_offset_info(stamp);
            time.zone = Zone::Fixed { offset: info.offset().seconds(), name: info.abbreviation().to_owned() };
        }
        time
    }
}

fn time_of(value: &Value) -> &Time {
    value.downcast::<Time>().unwrap_or(&Time::ZERO)
}

/// Declares a method of `time.Time` that takes nothing and gives an `int`.
macro_rules! number {
    ($name:literal, $field:ident) => {
        Method { name: $name, params: fixed(&[]), call: |_, t, _| Ok(Value::int(time_of(t).civil().$field)) }
    };
}

const METHODS: &[Method] = &[
    number!("Year", year),
    number!("Day", day),
    number!("Hour", hour),
    number!("Minute", minute),
    number!("Second", second),
    number!("YearDay", year_day),
    Method { name: "Nanosecond", params: fixed(&[]), call: |_, t, _| Ok(Value::int(i64::from(time_of(t).nanoseconds))) },
    Method { name: "Unix", params: fixed(&[]), call: |_, t, _| Ok(Value::int64(time_of(t).seconds)) },
    Method { name: "UTC", params: fixed(&[]), call: |_, t, _| Ok(Value::native(time_of(t).in_zone("UTC"))) },
    Method { name: "IsZero", params: fixed(&[]), call: |_, t, _| Ok(Value::Bool(time_of(t).seconds == Time::ZERO.seconds)) },
    Method { name: "String", params: fixed(&[]), call: |_, t, _| string(time_of(t).text()) },
    Method { name: "Format", params: fixed(&[Text]), call: |_, t, a| string(layout::format(time_of(t), &text(a, 0))) },
];

impl Native for Time {
    fn type_name(&self) -> &str {
        "time.Time"
    }

    fn as_any(&self) -> &dyn StdAny {
        self
    }

    fn method(&self, name: &str) -> Option<&'static Method> {
        METHODS.iter().find(|method| method.name == name)
    }

    fn stringer(&self) -> Option<Vec<u8>> {
        Some(self.text().into_bytes())
    }

    fn fields(&self) -> Option<Vec<(&'static str, Value)>> {
        let wall = Value::Uint(u64::from(self.nanoseconds), UintKind::Uint64);
        let since_the_year_1 = Value::int64(self.seconds.wrapping_sub(Time::ZERO.seconds));
        Some(vec![("wall", wall), ("ext", since_the_year_1), ("loc", Value::native(Location { is_utc: self.zone == Zone::Utc }))])
    }

    fn go_string(&self) -> Option<Vec<u8>> {
        let number = |element: &str| layout::format(self, element).trim_start_matches('0').parse::<i64>().unwrap_or(0);
        let zone = match &self.zone {
            Zone::Local => "time.Local".to_owned(),
            Zone::Utc => "time.UTC".to_owned(),
            Zone::Fixed { name, .. } => format!("time.Location({})", go_template::quote::quote_text(name)),
        };
        let (year, month, day) = (number("2006"), layout::format(self, "January"), number("2"));
        let (hour, minute, second, nanoseconds) = (number("15"), number("4"), number("5"), self.nanoseconds);
        Some(format!("time.Date({year}, time.{month}, {day}, {hour}, {minute}, {second}, {nanoseconds}, {zone})").into_bytes())
    }

    fn to_json(&self) -> Result<serde_json::Value, String> {
        Ok(serde_json::Value::String(layout::format(self, "2006-01-02T15:04:05.999999999Z07:00")))
    }

    fn equals(&self, other: &dyn Native) -> bool {
        other.as_any().downcast_ref::<Time>() == Some(self)
    }
}

/// Is what a time points to as its zone, which is nothing for UTC.
struct Location {
    is_utc: bool,
}

impl Native for Location {
    fn type_name(&self) -> &str {
        "*time.Location"
    }

    fn as_any(&self) -> &dyn StdAny {
        self
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn is_nil(&self) -> bool {
        self.is_utc
    }

    fn fields(&self) -> Option<Vec<(&'static str, Value)>> {
        Some(Vec::new())
    }

    fn to_json(&self) -> Result<serde_json::Value, String> {
        Ok(serde_json::json!({}))
    }

    fn equals(&self, other: &dyn Native) -> bool {
        other.as_any().downcast_ref::<Location>().is_some_and(|other| other.is_utc == self.is_utc)
    }
}

/// Takes a time or seconds; everything else, floats too, means now.
fn time_or_now(call: &mut Call<'_>, value: &Value) -> Time {
    match value {
        Value::Int(seconds, _) => Time { seconds: *seconds, nanoseconds: 0, zone: Zone::Local },
        other => match other.downcast::<Time>() {
            Some(time) => time.clone(),
            None => {
                let (seconds, nanoseconds) = now(call);
                Time { seconds, nanoseconds, zone: Zone::Local }
            }
        },
    }
}

fn date_in(call: &mut Call<'_>, layout: &str, value: &Value, zone: &str) -> Outcome {
    let time = time_or_now(call, value).in_zone(zone);
    string(layout::format(&time, layout))
}

fn modify(args: &[Value], strict: bool) -> Outcome {
    match parse_duration(&text(args, 0)) {
        Ok(duration) => Ok(Value::native(time_of(&args[1]).plus(duration))),
        Err(error) if strict => fail(error),
        Err(_) => Ok(args[1].clone()),
    }
}

/// Returns the nanoseconds from a time until now.
fn since(call: &mut Call<'_>, time: &Time) -> i64 {
    let (seconds, nanoseconds) = now(call);
    let difference = seconds.saturating_sub(time.seconds).saturating_mul(SECOND);
    difference.saturating_add(i64::from(nanoseconds) - i64::from(time.nanoseconds))
}

fn ago(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let time = time_or_now(call, &args[0]);
    let exact = since(call, &time);
    let rest = exact % SECOND;
    let rounded = if rest.abs() * 2 < SECOND { exact - rest } else { exact.saturating_sub(rest).saturating_add(SECOND * rest.signum()) };
    string(duration_text(rounded))
}

fn seconds_of(value: &Value) -> i64 {
    match value {
        Value::Str(text) => text.to_text().parse().unwrap_or(0),
        Value::Int(n, go_template::IntKind::Int64) => *n,
        _ => 0,
    }
}

fn duration_round(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let duration = match &args[0] {
        Value::Str(text) => parse_duration(&text.to_text()).unwrap_or(0),
        Value::Int(n, go_template::IntKind::Int64) => *n,
        other => match other.downcast::<Time>() {
            Some(time) => since(call, time),
            None => 0,
        },
    };
    let length = duration.unsigned_abs();
    const HOUR: u64 = 3_600 * SECOND as u64;
    let units = [(HOUR * 24 * 365, "y"), (HOUR * 24 * 30, "mo"), (HOUR * 24, "d"), (HOUR, "h"), (HOUR / 60, "m"), (SECOND as u64, "s")];
    match units.iter().find(|(unit, _)| length > *unit) {
        Some((unit, name)) => string(format!("{}{name}", length / unit)),
        None => string("0s"),
    }
}

/// Writes a duration as `time.Duration` prints itself.
pub(crate) fn duration_text(nanoseconds: i64) -> String {
    let length = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let fraction = |value: u64, unit: u64| {
        let text = format!("{}.{:0width$}", value / unit, value % unit, width = unit.ilog10() as usize);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    if length == 0 {
        return "0s".to_owned();
    }
    if length < 1_000 {
        return format!("{sign}{length}ns");
    }
    if length < 1_000_000 {
        return format!("{sign}{}µs", fraction(length, 1_000));
    }
    if length < SECOND as u64 {
        return format!("{sign}{}ms", fraction(length, 1_000_000));
    }
    let minutes = length / (60 * SECOND as u64);
    let seconds = fraction(length % (60 * SECOND as u64), SECOND as u64);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

/// Reads a duration as `time.ParseDuration`, in nanoseconds.
pub(crate) fn parse_duration(text: &str) -> Result<i64, String> {
    let quoted = layout_read::quoted(text.as_bytes());
    let invalid = || format!("time: invalid duration {quoted}");
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let whole = &rest[..digits(rest)];
        rest = &rest[whole.len()..];
        let mut fraction = "";
        if let Some(tail) = rest.strip_prefix('.') {
            fraction = &tail[..digits(tail)];
            rest = &tail[fraction.len()..];
        }
        if whole.is_empty() && fraction.is_empty() || whole.len() > 18 {
            return Err(invalid());
        }
        let unit_len = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, tail) = rest.split_at(unit_len);
        rest = tail;
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "" => return Err(format!("time: missing unit in duration {quoted}")),
            other => return Err(format!("time: unknown unit {} in duration {quoted}", layout_read::quoted(other.as_bytes()))),
        };
        let fraction = &fraction[..fraction.len().min(18)];
        total += whole.parse::<i128>().unwrap_or(0) * scale;
        total += fraction.parse::<i128>().unwrap_or(0) * scale / 10i128.pow(fraction.len() as u32);
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}
