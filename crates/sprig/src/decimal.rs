//! Exact decimal arithmetic for the float functions: shopspring/decimal as far as sprig uses it.
//!
//! Numbers come from doubles, so a few hundred digits are the most that appear.

use num_bigint::BigInt;

/// Is `unscaled * 10^-scale`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decimal {
    unscaled: BigInt,
    scale: i64,
}

/// How many decimal places a division keeps.
const DIVISION_PLACES: i64 = 16;

impl Decimal {
    /// Takes the shortest decimal digits of the float; nothing for infinite ones.
    pub(crate) fn from_float(f: f64) -> Option<Decimal> {
        if !f.is_finite() {
            return None;
        }
        let text = format!("{f:e}");
        let (mantissa, exponent) = text.split_once('e')?;
        let fraction = mantissa.split_once('.').map_or(0, |(_, digits)| digits.len() as i64);
        let unscaled = mantissa.replace('.', "").parse().ok()?;
        Some(Decimal { unscaled, scale: fraction - exponent.parse::<i64>().ok()? })
    }

    fn scaled_to(&self, scale: i64) -> BigInt {
        &self.unscaled * power(scale - self.scale)
    }

    pub(crate) fn add(self, other: &Decimal) -> Decimal {
        let scale = self.scale.max(other.scale);
        Decimal { unscaled: self.scaled_to(scale) + other.scaled_to(scale), scale }
    }

    pub(crate) fn sub(self, other: &Decimal) -> Decimal {
        let scale = self.scale.max(other.scale);
        Decimal { unscaled: self.scaled_to(scale) - other.scaled_to(scale), scale }
    }

    pub(crate) fn mul(self, other: &Decimal) -> Decimal {
        Decimal { unscaled: self.unscaled * &other.unscaled, scale: self.scale + other.scale }
    }

    /// Divides, rounding half away from zero at 16 places. The divisor must not be zero.
    pub(crate) fn div(self, other: &Decimal) -> Decimal {
        let shift = DIVISION_PLACES - self.scale + other.scale;
        let (mut numerator, mut denominator) = (self.unscaled, other.unscaled.clone());
        if shift >= 0 {
            numerator *= power(shift);
        } else {
            denominator *= power(-shift);
        }
        let zero = BigInt::default();
        let negative = (numerator < zero) != (denominator < zero);
        let (numerator, denominator) = (magnitude(numerator), magnitude(denominator));
        let rounded: BigInt = (&numerator * 2 + &denominator) / (&denominator * 2);
        Decimal { unscaled: if negative { -rounded } else { rounded }, scale: DIVISION_PLACES }
    }

    /// Returns the nearest float.
    pub(crate) fn to_float(&self) -> f64 {
        format!("{}e{}", self.unscaled, -self.scale).parse().unwrap_or(0.0)
    }
}

fn magnitude(number: BigInt) -> BigInt {
    if number < BigInt::default() { -number } else { number }
}

fn power(exponent: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent).unwrap_or(0))
}
