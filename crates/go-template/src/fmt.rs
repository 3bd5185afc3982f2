//! Formatting as Go's `fmt` does it: `Sprint`, `Sprintln` and `Sprintf` with all verbs and flags that values can meet.
//!
//! Does not know pointers; `%p` is refused as Go refuses it for values that are not pointers.

use crate::float::format_float;
use crate::quote;
use crate::stack::{MAX_VALUE_DEPTH, grow};
use crate::value::{Kind, List, ListKind, Map, Native, Value};

/// Is a value whose text would be endless or enormous, for instance a map that contains itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text of a value is too large; does a map contain itself?")]
pub struct TooLarge;

/// The largest text that one call makes.
const LARGEST: usize = 32 << 20;

/// The largest width or precision that Go accepts.
const WIDEST: i64 = 1_000_000;

/// Formats as `fmt.Sprint`: a space only between operands that are both no strings.
pub fn sprint(args: &[Value]) -> Result<Vec<u8>, TooLarge> {
    let mut printer = Printer::new(LARGEST);
    for (i, arg) in args.iter().enumerate() {
        if i > 0 && !is_string(arg) && !is_string(&args[i - 1]) {
            printer.out.push(b' ');
        }
        printer.value_verb(arg, 'v');
    }
    printer.finish()
}

/// Formats as `fmt.Sprintln`.
pub fn sprintln(args: &[Value]) -> Result<Vec<u8>, TooLarge> {
    let mut printer = Printer::new(LARGEST);
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            printer.out.push(b' ');
        }
        printer.value_verb(arg, 'v');
    }
    printer.out.push(b'\n');
    printer.finish()
}

/// Formats as `fmt.Sprintf`.
pub fn sprintf(format: &[u8], args: &[Value]) -> Result<Vec<u8>, TooLarge> {
    let mut printer = Printer::new(LARGEST);
    printer.printf(format, args);
    printer.finish()
}

/// Formats one value with `%v`; what is too large is cut.
pub fn text_of(value: &Value) -> Vec<u8> {
    let mut printer = Printer::new(LARGEST);
    printer.value_verb(value, 'v');
    printer.out
}

/// Appends `%v` of a value to an empty buffer, of at most so many bytes.
pub(crate) fn print_into(out: &mut Vec<u8>, value: &Value, room: usize) -> Result<(), TooLarge> {
    let mut printer = Printer::new(room.min(LARGEST));
    std::mem::swap(&mut printer.out, out);
    printer.value_verb(value, 'v');
    *out = printer.finish()?;
    Ok(())
}

fn is_string(value: &Value) -> bool {
    matches!(value, Value::Str(_))
}

#[derive(Clone, Copy, Default)]
struct Flags {
    width: Option<usize>,
    precision: Option<usize>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    plus_v: bool,
    sharp_v: bool,
}

struct Printer {
    out: Vec<u8>,
    flags: Flags,
    room: usize,
    too_large: bool,
    reordered: bool,
    good_index: bool,
    /// Whether what is printed is part of a complaint, where Go calls no methods.
    erroring: bool,
}

impl Printer {
    fn new(room: usize) -> Self {
        Printer { out: Vec::new(), flags: Flags::default(), room, too_large: false, reordered: false, good_index: true, erroring: false }
    }

    fn finish(self) -> Result<Vec<u8>, TooLarge> {
        if self.too_large || self.out.len() > self.room { Err(TooLarge) } else { Ok(self.out) }
    }

    fn str(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    // The format string.

    fn printf(&mut self, format: &[u8], args: &[Value]) {
        let mut i = 0;
        let mut arg = 0;
        let mut after_index = false;
        self.reordered = false;
        while i < format.len() && self.out.len() <= self.room {
            self.good_index = true;
            let start = i;
            while i < format.len() && format[i] != b'%' {
                i += 1;
            }
            self.out.extend_from_slice(&format[start..i]);
            if i >= format.len() {
                break;
            }
            i += 1;
            self.flags = Flags::default();
            i = self.read_flags(format, i);
            (arg, i, after_index) = self.arg_number(arg, format, i, args.len(), after_index);
            self.read_width(format, &mut i, args, &mut arg, &mut after_index);
            self.read_precision(format, &mut i, args, &mut arg, &mut after_index);
            if !after_index {
                (arg, i, after_index) = self.arg_number(arg, format, i, args.len(), after_index);
            }
            if i >= format.len() {
                self.str("%!(NOVERB)");
                break;
            }
            let (verb, width) = quote::decode(&format[i..]);
            let verb = verb.unwrap_or('\u{fffd}');
            i += width;
            after_index = self.verb(verb, args, &mut arg, after_index);
        }
        if !self.reordered && arg < args.len() {
            self.extra(&args[arg..]);
        }
    }

    fn verb(&mut self, verb: char, args: &[Value], arg: &mut usize, after_index: bool) -> bool {
        if verb == '%' {
            self.out.push(b'%');
        } else if !self.good_index {
            self.bad(verb, "(BADINDEX)");
        } else if *arg >= args.len() {
            self.bad(verb, "(MISSING)");
        } else {
            if matches!(verb, 'v' | 'w') {
                self.flags.sharp_v = std::mem::take(&mut self.flags.sharp);
                self.flags.plus_v = std::mem::take(&mut self.flags.plus);
            }
            self.value_verb(&args[*arg], verb);
            *arg += 1;
            return false;
        }
        after_index
    }

    fn bad(&mut self, verb: char, what: &str) {
        self.str("%!");
        self.out.extend_from_slice(verb.encode_utf8(&mut [0; 4]).as_bytes());
        self.str(what);
    }

    fn extra(&mut self, args: &[Value]) {
        self.flags = Flags::default();
        self.str("%!(EXTRA ");
        for (i, arg) in args.iter().enumerate() {
            if i > 0 {
                self.str(", ");
            }
            if arg.is_nil() {
                self.str("<nil>");
            } else {
                self.str(arg.type_name());
                self.out.push(b'=');
                self.value_verb(arg, 'v');
            }
        }
        self.out.push(b')');
    }

    fn read_flags(&mut self, format: &[u8], mut i: usize) -> usize {
        while let Some(byte) = format.get(i) {
            match byte {
                b'#' => self.flags.sharp = true,
                b'0' => self.flags.zero = true,
                b'+' => self.flags.plus = true,
                b'-' => self.flags.minus = true,
                b' ' => self.flags.space = true,
                _ => break,
            }
            i += 1;
        }
        i
    }

    fn read_width(&mut self, format: &[u8], i: &mut usize, args: &[Value], arg: &mut usize, after_index: &mut bool) {
        if format.get(*i) == Some(&b'*') {
            *i += 1;
            match int_arg(args, arg) {
                Some(width) => {
                    if width < 0 {
                        self.flags.minus = true;
                        self.flags.zero = false;
                    }
                    self.flags.width = Some(width.unsigned_abs() as usize);
                }
                None => self.str("%!(BADWIDTH)"),
            }
            *after_index = false;
            return;
        }
        let (number, next) = digits(format, *i);
        *i = next;
        if let Some(width) = number {
            self.flags.width = Some(width);
            if *after_index {
                self.good_index = false;
            }
        }
    }

    fn read_precision(&mut self, format: &[u8], i: &mut usize, args: &[Value], arg: &mut usize, after_index: &mut bool) {
        // Go looks at one byte more than the dot, so that a dot at the end is a verb.
        if *i + 1 > format.len() || format.get(*i) != Some(&b'.') {
            return;
        }
        *i += 1;
        if *after_index {
            self.good_index = false;
        }
        (*arg, *i, *after_index) = self.arg_number(*arg, format, *i, args.len(), *after_index);
        if format.get(*i) == Some(&b'*') {
            *i += 1;
            match int_arg(args, arg) {
                Some(precision) if precision >= 0 => self.flags.precision = Some(precision as usize),
                _ => {
                    self.flags.precision = None;
                    self.str("%!(BADPREC)");
                }
            }
            *after_index = false;
            return;
        }
        let (number, next) = digits(format, *i);
        *i = next;
        self.flags.precision = Some(number.unwrap_or(0));
    }

    /// Reads an explicit argument index such as `[2]`.
    fn arg_number(&mut self, arg: usize, format: &[u8], i: usize, count: usize, _after: bool) -> (usize, usize, bool) {
        if format.get(i) != Some(&b'[') {
            return (arg, i, false);
        }
        self.reordered = true;
        let Some(close) = format[i + 1..].iter().position(|b| *b == b']') else {
            self.good_index = false;
            return (arg, i + 1, false);
        };
        let width = close + 2;
        let inner = &format[i + 1..i + 1 + close];
        let (number, next) = digits(inner, 0);
        match number {
            Some(n) if next == inner.len() && n >= 1 && n <= count => (n - 1, i + width, true),
            Some(_) if next == inner.len() => {
                self.good_index = false;
                (arg, i + width, true)
            }
            _ => {
                self.good_index = false;
                (arg, i + width, false)
            }
        }
    }

    // Values.

    fn value_verb(&mut self, value: &Value, verb: char) {
        match (value, verb) {
            (Value::Nil, 'T' | 'v') => self.pad(b"<nil>"),
            (Value::Nil, _) => self.bad_verb(value, verb),
            (_, 'T') => {
                let name = value.type_name().to_owned();
                self.string(name.as_bytes(), 's', value);
            }
            (_, 'p') => self.bad_verb(value, verb),
            _ => self.value(value, verb, 0),
        }
    }

    fn value(&mut self, value: &Value, verb: char, depth: usize) {
        if depth > MAX_VALUE_DEPTH || self.out.len() > self.room {
            self.too_large = true;
            return;
        }
        if verb == 'w' {
            // Only `fmt.Errorf` knows it, and only for errors.
            return self.bad_verb(value, verb);
        }
        match value {
            Value::Nil if self.flags.sharp_v => self.str("interface {}(nil)"),
            Value::Nil => self.str("<nil>"),
            Value::Bool(b) => match verb {
                't' | 'v' => self.pad(if *b { b"true" } else { b"false" }),
                _ => self.bad_verb(value, verb),
            },
            Value::Int(n, _) => self.integer(n.unsigned_abs(), *n < 0, verb, value),
            Value::Uint(n, _) => self.integer(*n, false, verb, value),
            Value::Float(f) => self.float(*f, verb, value),
            Value::Str(text) => self.string(text, verb, value),
            Value::List(list) => self.list(list, verb, value, depth),
            Value::Map(map) => self.map(map, verb, depth),
            Value::Native(native) => self.native(&**native, verb, value, depth),
        }
    }

    fn bad_verb(&mut self, value: &Value, verb: char) {
        self.bad(verb, "(");
        if value.is_nil() {
            self.str("<nil>");
        } else {
            self.str(value.type_name());
            self.out.push(b'=');
            let flags = std::mem::take(&mut self.flags);
            // Go keeps width and flags here except where they change the verb itself.
            self.flags = Flags { plus_v: false, sharp_v: flags.sharp_v, ..flags };
            let was_erroring = std::mem::replace(&mut self.erroring, true);
            self.value(value, 'v', 0);
            self.erroring = was_erroring;
            self.flags = flags;
        }
        self.out.push(b')');
    }

    fn native(&mut self, native: &dyn Native, verb: char, value: &Value, depth: usize) {
        let is_syntax = self.flags.sharp_v && !self.erroring;
        let is_text = !self.flags.sharp_v && !self.erroring && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q');
        if let Some(text) = if is_syntax { native.go_string() } else { None } {
            self.out.extend_from_slice(&text);
        } else if let Some(text) = if is_text { native.stringer() } else { None } {
            self.string(&text, verb, &Value::str(text.clone()));
        } else if let (Kind::Slice | Kind::Map, Some(entries)) = (native.kind(), native.entries()) {
            self.entries(native, &entries, verb, depth);
        } else if let Some(fields) = native.fields() {
            self.fields(value, &fields, verb, depth);
        } else if matches!(verb, 'v' | 's') {
            self.out.extend_from_slice(&native.text());
        } else {
            self.bad_native(verb, value, &native.text());
        }
    }

    fn entries(&mut self, native: &dyn Native, entries: &[(Value, Value)], verb: char, depth: usize) {
        let is_map = native.kind() == Kind::Map;
        let (open, between, close) = if self.flags.sharp_v { ("{", ", ", b'}') } else { ("[", " ", b']') };
        match (self.flags.sharp_v, is_map) {
            (true, _) => self.str(native.type_name()),
            (false, true) => self.str("map"),
            (false, false) => {}
        }
        if self.flags.sharp_v && native.is_nil() {
            return self.str("(nil)");
        }
        self.str(open);
        for (i, (key, item)) in entries.iter().enumerate() {
            if i > 0 {
                self.str(between);
            }
            if is_map {
                self.value(key, verb, depth + 1);
                self.out.push(b':');
            }
            grow(|| self.value(item, verb, depth + 1));
        }
        self.out.push(close);
    }

    fn fields(&mut self, value: &Value, fields: &[(&'static str, Value)], verb: char, depth: usize) {
        let Value::Native(native) = value else { return };
        if native.kind() == Kind::Ptr {
            if depth > 0 || native.is_nil() {
                return self.address(&**native, verb, value);
            }
            self.out.push(b'&');
        }
        if self.flags.sharp_v {
            self.str(native.type_name().trim_start_matches('*'));
        }
        self.out.push(b'{');
        for (i, (name, field)) in fields.iter().enumerate() {
            if i > 0 {
                self.str(if self.flags.sharp_v { ", " } else { " " });
            }
            if self.flags.sharp_v || self.flags.plus_v {
                self.str(name);
                self.out.push(b':');
            }
            grow(|| self.value(field, verb, depth + 1));
        }
        self.out.push(b'}');
    }

    /// Writes where something lies in memory, which is somewhere else each time in Go.
    fn address(&mut self, native: &dyn Native, verb: char, value: &Value) {
        let address = if native.is_nil() { 0 } else { 0xc0_0000_0000 };
        match verb {
            'v' if self.flags.sharp_v => {
                let place = if native.is_nil() { "nil".to_owned() } else { format!("{address:#x}") };
                self.str(&format!("({})({place})", native.type_name()));
            }
            'v' if native.is_nil() => self.pad(b"<nil>"),
            'v' => {
                let sharp = self.flags.sharp;
                self.flags.sharp = !sharp;
                self.digits(address, false, 16, verb, false);
                self.flags.sharp = sharp;
            }
            'b' | 'o' | 'd' | 'x' | 'X' => self.integer(address, false, verb, value),
            _ => self.bad_verb(value, verb),
        }
    }

    fn bad_native(&mut self, verb: char, value: &Value, text: &[u8]) {
        self.bad(verb, "(");
        self.str(value.type_name());
        self.out.push(b'=');
        self.out.extend_from_slice(text);
        self.out.push(b')');
    }

    fn list(&mut self, list: &List, verb: char, value: &Value, depth: usize) {
        if let Some(bytes) = list.to_bytes() {
            self.bytes(list, &bytes, verb, value, depth);
            return;
        }
        if self.flags.sharp_v {
            self.str(list.kind().name());
            if list.is_nil() {
                self.str("(nil)");
                return;
            }
            self.out.push(b'{');
        } else {
            self.out.push(b'[');
        }
        for (i, item) in list.items().iter().enumerate() {
            if i > 0 {
                self.str(if self.flags.sharp_v { ", " } else { " " });
            }
            grow(|| self.value(item, verb, depth + 1));
        }
        self.out.push(if self.flags.sharp_v { b'}' } else { b']' });
    }

    fn bytes(&mut self, list: &List, bytes: &[u8], verb: char, value: &Value, depth: usize) {
        match verb {
            's' | 'q' | 'x' | 'X' => self.string(bytes, verb, value),
            'v' | 'd' if self.flags.sharp_v => {
                // Go says so only of what it is given, not of what that holds.
                self.str(if depth == 0 { "[]byte" } else { ListKind::Bytes.name() });
                if list.is_nil() {
                    self.str("(nil)");
                    return;
                }
                let items: Vec<String> = bytes.iter().map(|b| format!("{b:#x}")).collect();
                self.str(&format!("{{{}}}", items.join(", ")));
            }
            _ => {
                self.out.push(b'[');
                for (i, byte) in list.items().iter().enumerate() {
                    if i > 0 {
                        self.out.push(b' ');
                    }
                    self.value(byte, verb, 1);
                }
                self.out.push(b']');
            }
        }
    }

    fn map(&mut self, map: &Map, verb: char, depth: usize) {
        if self.flags.sharp_v {
            self.str(map.kind().name());
            if map.is_nil() {
                self.str("(nil)");
                return;
            }
            self.out.push(b'{');
        } else {
            self.str("map[");
        }
        for (i, (key, item)) in map.snapshot().iter().enumerate() {
            if i > 0 {
                self.str(if self.flags.sharp_v { ", " } else { " " });
            }
            self.string(key, verb, &Value::Str(key.clone()));
            self.out.push(b':');
            grow(|| self.value(item, verb, depth + 1));
        }
        self.out.push(if self.flags.sharp_v { b'}' } else { b']' });
    }

    // Padding.

    fn pad(&mut self, text: &[u8]) {
        let len = quote::chars(text).count();
        let missing = self.flags.width.unwrap_or(0).saturating_sub(len);
        if self.flags.minus {
            self.out.extend_from_slice(text);
            self.out.resize(self.out.len() + missing, b' ');
        } else {
            let fill = if self.flags.zero { b'0' } else { b' ' };
            self.out.resize(self.out.len() + missing, fill);
            self.out.extend_from_slice(text);
        }
    }

    // Strings.

    fn string(&mut self, text: &[u8], verb: char, value: &Value) {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(text, true),
            'v' | 's' => {
                let cut = self.truncated(text);
                self.pad(cut);
            }
            'x' => self.hex(text, false),
            'X' => self.hex(text, true),
            'q' => self.quoted(text, self.flags.sharp),
            _ => self.bad_verb(value, verb),
        }
    }

    fn truncated<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        match self.flags.precision {
            Some(precision) => {
                let end = quote::chars(text).take(precision).map(|(_, part)| part.len()).sum();
                &text[..end]
            }
            None => text,
        }
    }

    fn quoted(&mut self, text: &[u8], back_quote: bool) {
        let text = self.truncated(text);
        let quoted = if back_quote && self.flags.sharp && quote::can_backquote(text) {
            [b"`", text, b"`"].concat()
        } else if self.flags.plus {
            quote::quote_ascii(text).into_bytes()
        } else {
            quote::quote(text).into_bytes()
        };
        self.pad(&quoted);
    }

    fn hex(&mut self, text: &[u8], upper: bool) {
        let text = match self.flags.precision {
            Some(precision) => &text[..precision.min(text.len())],
            None => text,
        };
        let prefix = if upper { "0X" } else { "0x" };
        let mut out = String::new();
        for (i, byte) in text.iter().enumerate() {
            if self.flags.space && i > 0 {
                out.push(' ');
            }
            if self.flags.sharp && (i == 0 || self.flags.space) {
                out.push_str(prefix);
            }
            out.push_str(&if upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
        }
        self.pad(out.as_bytes());
    }

    // Integers.

    fn integer(&mut self, magnitude: u64, negative: bool, verb: char, value: &Value) {
        let signed = if negative { -i128::from(magnitude) } else { i128::from(magnitude) };
        match verb {
            'v' if self.flags.sharp_v && matches!(value, Value::Uint(..)) => self.unsigned_syntax(magnitude),
            'v' | 'd' => self.digits(magnitude, negative, 10, verb, false),
            'b' => self.digits(magnitude, negative, 2, verb, false),
            'o' | 'O' => self.digits(magnitude, negative, 8, verb, false),
            'x' => self.digits(magnitude, negative, 16, verb, false),
            'X' => self.digits(magnitude, negative, 16, verb, true),
            'c' => {
                let c = character(signed);
                self.pad(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            'q' => {
                let text = quote::quote_rune(i64::from(u32::from(character(signed))), self.flags.plus);
                self.pad(text.as_bytes());
            }
            'U' => self.unicode(signed),
            _ => self.bad_verb(value, verb),
        }
    }

    fn unsigned_syntax(&mut self, magnitude: u64) {
        let sharp = std::mem::replace(&mut self.flags.sharp, true);
        self.digits(magnitude, false, 16, 'v', false);
        self.flags.sharp = sharp;
    }

    fn unicode(&mut self, signed: i128) {
        let number = signed as u64;
        let precision = self.flags.precision.unwrap_or(4).max(4);
        let mut text = format!("U+{number:0precision$X}");
        if self.flags.sharp
            && let Some(c) = u32::try_from(number).ok().and_then(char::from_u32).filter(|c| quote::is_print(*c))
        {
            text.push_str(&format!(" '{c}'"));
        }
        let zero = std::mem::replace(&mut self.flags.zero, false);
        self.pad(text.as_bytes());
        self.flags.zero = zero;
    }

    fn digits(&mut self, magnitude: u64, negative: bool, base: u32, verb: char, upper: bool) {
        let mut precision = 0;
        if let Some(wanted) = self.flags.precision {
            precision = wanted;
            if precision == 0 && magnitude == 0 {
                let zero = std::mem::replace(&mut self.flags.zero, false);
                self.out.resize(self.out.len() + self.flags.width.unwrap_or(0), b' ');
                self.flags.zero = zero;
                return;
            }
        } else if self.flags.zero && !self.flags.minus && self.flags.width.is_some() {
            precision = self.flags.width.unwrap_or(0);
            if negative || self.flags.plus || self.flags.space {
                precision = precision.saturating_sub(1);
            }
        }
        let digits = match base {
            2 => format!("{magnitude:b}"),
            8 => format!("{magnitude:o}"),
            16 if upper => format!("{magnitude:X}"),
            16 => format!("{magnitude:x}"),
            _ => magnitude.to_string(),
        };
        let mut body = format!("{digits:0>precision$}");
        if self.flags.sharp {
            match base {
                2 => body.insert_str(0, "0b"),
                8 if !body.starts_with('0') => body.insert(0, '0'),
                16 => body.insert_str(0, if upper { "0X" } else { "0x" }),
                _ => {}
            }
        }
        if verb == 'O' {
            body.insert_str(0, "0o");
        }
        if negative {
            body.insert(0, '-');
        } else if self.flags.plus {
            body.insert(0, '+');
        } else if self.flags.space {
            body.insert(0, ' ');
        }
        let zero = std::mem::replace(&mut self.flags.zero, false);
        self.pad(body.as_bytes());
        self.flags.zero = zero;
    }

    // Floats.

    fn float(&mut self, f: f64, verb: char, value: &Value) {
        match verb {
            'v' => self.float_text(f, b'g', -1, verb),
            'b' | 'g' | 'G' | 'x' | 'X' => self.float_text(f, verb as u8, self.flags.precision.map_or(-1, |p| p as i32), verb),
            'f' | 'e' | 'E' | 'F' => {
                let format = if verb == 'F' { b'f' } else { verb as u8 };
                self.float_text(f, format, self.flags.precision.map_or(6, |p| p as i32), verb);
            }
            _ => self.bad_verb(value, verb),
        }
    }

    fn float_text(&mut self, f: f64, format: u8, precision: i32, verb: char) {
        // For %v a precision in the format counts as well.
        let precision = if verb == 'v' { self.flags.precision.map_or(precision, |p| p as i32) } else { precision };
        let mut text = format_float(f, format, precision, 64);
        if !text.starts_with(['+', '-']) {
            text.insert(0, '+');
        }
        if self.flags.space && text.starts_with('+') && !self.flags.plus {
            text.replace_range(0..1, " ");
        }
        let infinite = text.ends_with("Inf") || text.ends_with("NaN");
        if infinite {
            let zero = std::mem::replace(&mut self.flags.zero, false);
            if text[1..].starts_with('N') && !self.flags.space && !self.flags.plus {
                text.remove(0);
            }
            self.pad(text.as_bytes());
            self.flags.zero = zero;
            return;
        }
        if self.flags.sharp && format != b'b' {
            text = self.sharp_float(text, format, precision, verb);
        }
        if self.flags.plus || !text.starts_with('+') {
            let width = self.flags.width.unwrap_or(0);
            if self.flags.zero && !self.flags.minus && width > text.len() {
                self.out.push(text.as_bytes()[0]);
                self.out.resize(self.out.len() + width - text.len(), b'0');
                self.str(&text[1..]);
                return;
            }
            self.pad(text.as_bytes());
            return;
        }
        self.pad(&text.as_bytes()[1..]);
    }

    /// Writes a decimal point and keeps trailing zeros, as the `#` flag asks.
    fn sharp_float(&self, text: String, format: u8, precision: i32, verb: char) -> String {
        let mut digits = match verb {
            'v' | 'g' | 'G' | 'x' if precision < 0 => 6,
            'v' | 'g' | 'G' => precision,
            _ => 0,
        };
        let (mut head, mut tail, mut saw_dot, mut saw_digit) = (String::from(&text[..1]), String::new(), false, false);
        for (i, c) in text[1..].char_indices() {
            let hexadecimal = matches!(format, b'x' | b'X');
            match c {
                '.' => {
                    saw_dot = true;
                    head.push(c);
                }
                'p' | 'P' => {
                    tail = text[1 + i..].to_owned();
                    break;
                }
                'e' | 'E' if !hexadecimal => {
                    tail = text[1 + i..].to_owned();
                    break;
                }
                c => {
                    saw_digit |= c != '0';
                    if saw_digit {
                        digits -= 1;
                    }
                    head.push(c);
                }
            }
        }
        if !saw_dot {
            if head.len() == 2 && head.ends_with('0') {
                digits -= 1;
            }
            head.push('.');
        }
        (0..digits.max(0)).for_each(|_| head.push('0'));
        head + &tail
    }
}

fn character(signed: i128) -> char {
    u32::try_from(signed).ok().and_then(char::from_u32).unwrap_or('\u{fffd}')
}

/// Reads digits; a number too large counts as none, as in Go.
fn digits(format: &[u8], start: usize) -> (Option<usize>, usize) {
    let mut i = start;
    let mut number: i64 = 0;
    while let Some(byte) = format.get(i).filter(|b| b.is_ascii_digit()) {
        if number > WIDEST {
            return (None, format.len());
        }
        number = number * 10 + i64::from(byte - b'0');
        i += 1;
    }
    let number = (i > start).then_some(number as usize);
    (number, i)
}

fn int_arg(args: &[Value], arg: &mut usize) -> Option<i64> {
    let value = args.get(*arg)?;
    *arg += 1;
    let number = match value {
        Value::Int(n, _) => *n,
        Value::Uint(n, _) => i64::try_from(*n).ok()?,
        _ => return None,
    };
    (-WIDEST..=WIDEST).contains(&number).then_some(number)
}
