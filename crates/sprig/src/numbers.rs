//! Number functions, with the lenient conversions of spf13/cast 1.7.

use go_template::number::{parse_float, parse_int};
use go_template::{Call, Func, IntKind, List, ListKind, Outcome, Type, Value, fixed, fmt, variadic};

use crate::args::{fail, func, int, reserve_items, string, text};
use crate::decimal::Decimal;

use Type::{Any, Float64, Int, String as Text};

pub(crate) const FUNCS: &[Func] = &[
    func("add", variadic(&[], Any), |_, a| fold(a, 0, i64::wrapping_add)),
    func("add1", fixed(&[Any]), |_, a| Ok(Value::int64(to_int64(&a[0]).wrapping_add(1)))),
    func("add1f", fixed(&[Any]), |_, a| decimal(&[a[0].clone(), Value::Float(1.0)], Decimal::add)),
    func("addf", variadic(&[], Any), |_, a| decimal(&[&[Value::Float(0.0)], a].concat(), Decimal::add)),
    func("atoi", fixed(&[Text]), |_, a| Ok(Value::int(atoi(&text(a, 0))))),
    func("biggest", variadic(&[Any], Any), |_, a| fold(&a[1..], to_int64(&a[0]), i64::max)),
    func("ceil", fixed(&[Any]), |_, a| Ok(Value::Float(to_float64(&a[0]).ceil()))),
    func("div", fixed(&[Any, Any]), |_, a| divide(a, i64::wrapping_div)),
    func("divf", variadic(&[Any], Any), |_, a| match a[1..].iter().map(to_float64).find(|x| *x == 0.0 || !x.is_finite()) {
        Some(wrong) if wrong == 0.0 && to_float64(&a[0]).is_finite() => fail("decimal division by 0"),
        _ => decimal(a, Decimal::div),
    }),
    func("float64", fixed(&[Any]), |_, a| Ok(Value::Float(to_float64(&a[0])))),
    func("floor", fixed(&[Any]), |_, a| Ok(Value::Float(to_float64(&a[0]).floor()))),
    func("int", fixed(&[Any]), |_, a| Ok(Value::int(to_int64(&a[0])))),
    func("int64", fixed(&[Any]), |_, a| Ok(Value::int64(to_int64(&a[0])))),
    func("max", variadic(&[Any], Any), |_, a| fold(&a[1..], to_int64(&a[0]), i64::max)),
    func("maxf", variadic(&[Any], Any), |_, a| fold_float(a, larger)),
    func("min", variadic(&[Any], Any), |_, a| fold(&a[1..], to_int64(&a[0]), i64::min)),
    func("minf", variadic(&[Any], Any), |_, a| fold_float(a, |x, y| -larger(-x, -y))),
    func("mod", fixed(&[Any, Any]), |_, a| divide(a, i64::wrapping_rem)),
    func("mul", variadic(&[Any], Any), |_, a| fold(&a[1..], to_int64(&a[0]), i64::wrapping_mul)),
    func("mulf", variadic(&[Any], Any), |_, a| decimal(a, Decimal::mul)),
    func("round", variadic(&[Any, Int], Float64), round),
    func("seq", variadic(&[], Int), seq),
    func("sub", fixed(&[Any, Any]), |_, a| Ok(Value::int64(to_int64(&a[0]).wrapping_sub(to_int64(&a[1]))))),
    func("subf", variadic(&[Any], Any), |_, a| decimal(a, Decimal::sub)),
    func("toDecimal", fixed(&[Any]), to_decimal),
    func("until", fixed(&[Int]), |call, a| ints(call, 0, int(a, 0), if int(a, 0) < 0 { -1 } else { 1 })),
    func("untilStep", fixed(&[Int, Int, Int]), |call, a| ints(call, int(a, 0), int(a, 1), int(a, 2))),
];

/// Converts a float as Go on amd64 does: what does not fit becomes the smallest integer.
fn truncate(f: f64) -> i64 {
    if f.is_nan() || !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&f) { i64::MIN } else { f as i64 }
}

/// Converts as `cast.ToInt64`; what cannot be converted is zero.
pub(crate) fn to_int64(value: &Value) -> i64 {
    match value {
        Value::Int(n, _) => *n,
        Value::Uint(n, _) => *n as i64,
        Value::Float(f) => truncate(*f),
        Value::Bool(b) => i64::from(*b),
        Value::Str(text) => std::str::from_utf8(text).ok().and_then(|text| parse_int(trim_zero_decimal(text), 0)).unwrap_or(0),
        Value::Nil | Value::List(_) | Value::Map(_) | Value::Native(_) => 0,
    }
}

/// Drops a fraction that is all zeros.
fn trim_zero_decimal(text: &str) -> &str {
    match text.rsplit_once('.') {
        Some((head, zeros)) if zeros.bytes().all(|b| b == b'0') && !zeros.is_empty() => head,
        _ => text,
    }
}

/// Converts as `cast.ToFloat64`; what cannot be converted is zero.
pub(crate) fn to_float64(value: &Value) -> f64 {
    match value {
        Value::Int(n, _) => *n as f64,
        Value::Uint(n, _) => *n as f64,
        Value::Float(f) => *f,
        Value::Bool(b) => f64::from(u8::from(*b)),
        Value::Str(text) => std::str::from_utf8(text).ok().and_then(parse_float).unwrap_or(0.0),
        Value::Nil | Value::List(_) | Value::Map(_) | Value::Native(_) => 0.0,
    }
}

/// Reads a decimal integer as `strconv.Atoi`; zero if there is none, the nearest limit where it overflows.
fn atoi(text: &str) -> i64 {
    match text.parse::<i64>() {
        Ok(n) => n,
        Err(error) if *error.kind() == std::num::IntErrorKind::PosOverflow => i64::MAX,
        Err(error) if *error.kind() == std::num::IntErrorKind::NegOverflow => i64::MIN,
        Err(_) => 0,
    }
}

fn fold(args: &[Value], start: i64, step: fn(i64, i64) -> i64) -> Outcome {
    Ok(Value::int64(args.iter().map(to_int64).fold(start, step)))
}

/// Go's `math.Max`: zero is larger than negative zero, and what is no number wins, unless infinity is there.
fn larger(x: f64, y: f64) -> f64 {
    if x == f64::INFINITY || y == f64::INFINITY {
        f64::INFINITY
    } else if x.is_nan() || y.is_nan() {
        f64::NAN
    } else if x == 0.0 && y == 0.0 {
        if x.is_sign_negative() { y } else { x }
    } else {
        x.max(y)
    }
}

fn fold_float(args: &[Value], step: fn(f64, f64) -> f64) -> Outcome {
    Ok(Value::Float(args[1..].iter().map(to_float64).fold(to_float64(&args[0]), step)))
}

fn divide(args: &[Value], step: fn(i64, i64) -> i64) -> Outcome {
    let (a, b) = (to_int64(&args[0]), to_int64(&args[1]));
    if b == 0 { fail("runtime error: integer divide by zero") } else { Ok(Value::int64(step(a, b))) }
}

fn decimal(args: &[Value], step: fn(Decimal, &Decimal) -> Decimal) -> Outcome {
    let mut numbers = Vec::with_capacity(args.len());
    for arg in args {
        let number = to_float64(arg);
        let Some(exact) = Decimal::from_float(number) else {
            return fail(format!("Cannot create a Decimal from {}", go_template::float::format_float(number, b'g', -1, 64)));
        };
        numbers.push(exact);
    }
    let mut numbers = numbers.into_iter();
    let first = numbers.next().unwrap_or_default();
    Ok(Value::Float(numbers.fold(first, |sum, number| step(sum, &number)).to_float()))
}

fn round(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    let round_on = match args.get(2) {
        Some(Value::Float(f)) => *f,
        _ => 0.5,
    };
    let power = power_of_ten(int(args, 1));
    let digit = power * to_float64(&args[0]);
    let rounded = if digit - digit.trunc() >= round_on { digit.ceil() } else { digit.floor() };
    Ok(Value::Float(rounded / power))
}

/// Returns `math.Pow(10, exponent)` as Go works it out: squares of a fraction, and powers of two apart from it.
fn power_of_ten(exponent: i64) -> f64 {
    const OVERFLOW: i32 = 1 << 12;
    if exponent == 1 {
        return 10.0;
    }
    let (mut result, mut result_power) = (1.0, 0);
    let (mut square, mut square_power) = (0.625, 4);
    let mut left = exponent.unsigned_abs();
    while left != 0 {
        if square_power > OVERFLOW {
            result_power += square_power;
            break;
        }
        if left & 1 == 1 {
            result *= square;
            result_power += square_power;
        }
        square *= square;
        square_power *= 2;
        if square < 0.5 {
            square += square;
            square_power -= 1;
        }
        left >>= 1;
    }
    if exponent < 0 {
        result = 1.0 / result;
        result_power = -result_power;
    }
    // In two steps, each of which is exact or the only one to round.
    let half = (result_power / 2).clamp(-1000, 1000);
    result * 2f64.powi(half) * 2f64.powi(result_power - half)
}

/// Counts how many numbers `untilStep` gives.
fn count(start: i64, stop: i64, step: i64) -> usize {
    let distance = i128::from(stop) - i128::from(start);
    let step = i128::from(step);
    if distance == 0 || step == 0 || (distance < 0) != (step < 0) {
        return 0;
    }
    usize::try_from((distance.abs() + step.abs() - 1) / step.abs()).unwrap_or(usize::MAX)
}

fn ints(call: &mut Call<'_>, start: i64, stop: i64, step: i64) -> Outcome {
    let count = count(start, stop, step);
    reserve_items(call, count)?;
    let items = (0..count as i64).map(|i| Value::Int(start + i * step, IntKind::Int)).collect();
    Ok(Value::List(List::new(ListKind::Ints, items)))
}

fn seq(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let (start, step, end) = match args.len() {
        1 => (1, None, int(args, 0)),
        2 => (int(args, 0), None, int(args, 1)),
        3 => (int(args, 0), Some(int(args, 1)), int(args, 2)),
        _ => return string(""),
    };
    let direction = if end < start { -1 } else { 1 };
    let step = step.unwrap_or(direction);
    if direction < 0 && step > 0 {
        return string("");
    }
    let numbers = ints(call, start, end.saturating_add(direction), step)?;
    let numbers: Vec<String> = numbers.as_list().map_or(&[][..], List::items).iter().map(|n| to_int64(n).to_string()).collect();
    string(numbers.join(" "))
}

fn to_decimal(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    let printed = fmt::sprint(&args[..1]).map_err(|error| go_template::Fault::Text(error.to_string()))?;
    let number = std::str::from_utf8(&printed).ok().and_then(|text| parse_int(text, 8)).unwrap_or(0);
    Ok(Value::int64(number))
}
