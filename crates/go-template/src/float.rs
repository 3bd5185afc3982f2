//! Floats as Go's `strconv.FormatFloat` writes them.
//!
//! The digits come from the standard library (shortest or correctly rounded); the layout is Go's.

/// Formats a float; `prec` below zero means the shortest text that reads back equal. `fmt` is one of `e E f F g G x X b`.
pub fn format_float(value: f64, fmt: u8, prec: i32, bits: u32) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let value = if bits == 32 { f64::from(value as f32) } else { value };
    let mut out = String::with_capacity(24);
    if value.is_sign_negative() {
        out.push('-');
    }
    let value = value.abs();
    match fmt {
        b'e' | b'E' => {
            let digits = if prec < 0 { shortest(value, bits) } else { rounded(value, prec as usize + 1) };
            let prec = if prec < 0 { digits.text.len().saturating_sub(1) } else { prec as usize };
            scientific(&mut out, &digits, prec, fmt);
        }
        b'f' | b'F' => {
            if prec < 0 {
                let digits = shortest(value, bits);
                let fraction = (digits.text.len() as i32 - digits.point).max(0) as usize;
                positional(&mut out, &digits, fraction);
            } else {
                out.push_str(&format!("{value:.*}", prec as usize));
            }
        }
        b'g' | b'G' => general(&mut out, value, fmt, prec, bits),
        b'x' | b'X' => hexadecimal(&mut out, value, fmt, prec, bits),
        _ => binary(&mut out, value, bits),
    }
    out
}

/// Is a decimal number 0.ddd * 10^point without trailing zeros; zero has no digits.
struct Digits {
    text: Vec<u8>,
    point: i32,
}

fn split(text: &str) -> Digits {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    if digits.is_empty() {
        return Digits { text: digits, point: 0 };
    }
    Digits { text: digits, point: exponent.parse::<i32>().unwrap_or(0) + 1 }
}

fn shortest(value: f64, bits: u32) -> Digits {
    if bits == 32 {
        return split(&format!("{:e}", value as f32));
    }
    let text = format!("{value:e}");
    // Of two equally short texts Go takes the one with the even last digit, the standard library the upper one.
    let places = text.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    if places >= 15 {
        let even = format!("{value:.*e}", places - 1);
        if even.parse() == Ok(value) {
            return split(&even);
        }
    }
    split(&text)
}

fn rounded(value: f64, significant: usize) -> Digits {
    split(&format!("{value:.*e}", significant.saturating_sub(1)))
}

fn scientific(out: &mut String, digits: &Digits, prec: usize, fmt: u8) {
    let digit = |i: usize| char::from(digits.text.get(i).copied().unwrap_or(b'0'));
    out.push(digit(0));
    if prec > 0 {
        out.push('.');
        (1..=prec).for_each(|i| out.push(digit(i)));
    }
    out.push(char::from(fmt));
    let exponent = if digits.text.is_empty() { 0 } else { digits.point - 1 };
    out.push(if exponent < 0 { '-' } else { '+' });
    out.push_str(&format!("{:02}", exponent.abs()));
}

fn positional(out: &mut String, digits: &Digits, prec: usize) {
    let digit = |i: i32| {
        let found = if i < 0 { None } else { digits.text.get(i as usize) };
        char::from(found.copied().unwrap_or(b'0'))
    };
    if digits.point > 0 {
        (0..digits.point).for_each(|i| out.push(digit(i)));
    } else {
        out.push('0');
    }
    if prec > 0 {
        out.push('.');
        (0..prec as i32).for_each(|i| out.push(digit(digits.point + i)));
    }
}

fn general(out: &mut String, value: f64, fmt: u8, prec: i32, bits: u32) {
    let is_shortest = prec < 0;
    let significant = prec.max(1);
    let digits = if is_shortest { shortest(value, bits) } else { rounded(value, significant as usize) };
    let count = digits.text.len() as i32;
    let mut prec = if is_shortest { count } else { significant };
    let mut threshold = prec;
    if threshold > count && count >= digits.point {
        threshold = count;
    }
    if is_shortest {
        threshold = 6;
    }
    let exponent = digits.point - 1;
    if exponent < -4 || exponent >= threshold {
        prec = prec.min(count);
        scientific(out, &digits, (prec - 1).max(0) as usize, if fmt == b'g' { b'e' } else { b'E' });
    } else {
        positional(out, &digits, (count - digits.point).max(0) as usize);
    }
}

struct Format {
    mantissa_bits: u32,
    exponent_bits: u32,
    bias: i32,
}

fn parts(value: f64, bits: u32) -> (u64, i32, Format) {
    let (raw, format) = if bits == 32 {
        (u64::from((value as f32).to_bits()), Format { mantissa_bits: 23, exponent_bits: 8, bias: -127 })
    } else {
        (value.to_bits(), Format { mantissa_bits: 52, exponent_bits: 11, bias: -1023 })
    };
    let mut exponent = ((raw >> format.mantissa_bits) & ((1 << format.exponent_bits) - 1)) as i32;
    let mut mantissa = raw & ((1 << format.mantissa_bits) - 1);
    if exponent == 0 {
        exponent = 1;
    } else {
        mantissa |= 1 << format.mantissa_bits;
    }
    (mantissa, exponent + format.bias, format)
}

fn binary(out: &mut String, value: f64, bits: u32) {
    let (mantissa, exponent, format) = parts(value, bits);
    out.push_str(&format!("{mantissa}p{:+}", exponent - format.mantissa_bits as i32));
}

fn hexadecimal(out: &mut String, value: f64, fmt: u8, prec: i32, bits: u32) {
    let (mut mantissa, mut exponent, format) = parts(value, bits);
    if mantissa == 0 {
        exponent = 0;
    }
    mantissa <<= 60 - format.mantissa_bits;
    while mantissa != 0 && mantissa & (1 << 60) == 0 {
        mantissa <<= 1;
        exponent -= 1;
    }
    if (0..15).contains(&prec) {
        let shift = (prec * 4) as u32;
        let extra = (mantissa << shift) & ((1 << 60) - 1);
        mantissa >>= 60 - shift;
        if extra | (mantissa & 1) > 1 << 59 {
            mantissa += 1;
        }
        mantissa <<= 60 - shift;
        if mantissa & (1 << 61) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let mut text = String::from("0x");
    text.push(if (mantissa >> 60) & 1 == 1 { '1' } else { '0' });
    mantissa <<= 4;
    let count = if prec < 0 { 16 - (mantissa.trailing_zeros().min(64) / 4) as i32 } else { prec };
    if (prec < 0 && mantissa != 0) || prec > 0 {
        text.push('.');
        for _ in 0..count {
            text.push_str(&format!("{:x}", (mantissa >> 60) & 15));
            mantissa <<= 4;
        }
    }
    text.push('p');
    text.push(if exponent < 0 { '-' } else { '+' });
    text.push_str(&format!("{:02}", exponent.abs()));
    if fmt == b'X' {
        text.make_ascii_uppercase();
    }
    out.push_str(&text);
}

#[cfg(test)]
mod tests {
    use super::format_float;

    #[test]
    fn layouts_follow_go() {
        let cases: &[(f64, u8, i32, &str)] = &[
            (1e6, b'g', -1, "1e+06"),
            (803_780_319_887_624.2, b'g', -1, "8.037803198876242e+14"),
            (999_999.0, b'g', -1, "999999"),
            (123_456.7, b'g', -1, "123456.7"),
            (1_048_576.0, b'g', -1, "1.048576e+06"),
            (0.0001, b'g', -1, "0.0001"),
            (0.00001, b'g', -1, "1e-05"),
            (-0.0, b'g', -1, "-0"),
            (0.0, b'g', -1, "0"),
            (1.5e300, b'g', -1, "1.5e+300"),
            (3.5, b'f', 0, "4"),
            (2.5, b'f', 0, "2"),
            (1e21, b'f', -1, "1000000000000000000000"),
            (100.0, b'g', 3, "100"),
            (1000.0, b'g', 3, "1e+03"),
            (1234.5, b'e', 2, "1.23e+03"),
            (1.0, b'x', -1, "0x1p+00"),
            (1.3, b'x', 3, "0x1.4cdp+00"),
            (1.0, b'b', -1, "4503599627370496p-52"),
        ];
        for (value, fmt, prec, want) in cases {
            assert_eq!(format_float(*value, *fmt, *prec, 64), *want, "{value} {} {prec}", char::from(*fmt));
        }
        assert_eq!(format_float(123_456_789.5, b'g', -1, 32), "1.2345679e+08");
    }
}
