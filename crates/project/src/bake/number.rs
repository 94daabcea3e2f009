//! Numbers: decimal, with as many digits as HCL's binary ones of 512 bits have.

use std::fmt;
use std::str::FromStr;

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, RoundingMode, Signed, ToPrimitive, Zero};

use super::Error;

/// Digits that are kept.
const DIGITS: u64 = 155;
/// The largest power of ten, and the smallest, negated.
const MAX_EXPONENT: i64 = 5_000;

/// A number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(BigDecimal);

impl Number {
    /// Reads digits with a point and an exponent, perhaps.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, ""));
        let good = mantissa.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && mantissa.chars().all(|c| c.is_ascii_digit() || c == '.')
            && mantissa.chars().any(|c| c.is_ascii_digit())
            && exponent.len() < 8
            && mantissa.len() < MAX_EXPONENT as usize;
        if !good {
            return None;
        }
        Self::made(BigDecimal::from_str(text).ok()?).ok()
    }

    /// As a variable of the environment may be written.
    pub(super) fn of_float(number: f64) -> Option<Self> {
        number.is_finite().then(|| Self::parse(&format!("{number}"))).flatten()
    }

    /// Rounds to the digits that are kept, and refuses what has no measure.
    fn made(number: BigDecimal) -> Result<Self, Error> {
        if number.is_zero() {
            return Ok(Self(BigDecimal::zero()));
        }
        let number = if number.digits() > DIGITS { number.with_prec(DIGITS) } else { number };
        match number.order_of_magnitude().abs() > MAX_EXPONENT {
            true => Err(Error::limit("this number is too large or too small")),
            false => Ok(Self(number.normalized())),
        }
    }

    pub(super) fn add(&self, other: &Self) -> Result<Self, Error> {
        Self::made(&self.0 + &other.0)
    }

    pub(super) fn subtract(&self, other: &Self) -> Result<Self, Error> {
        Self::made(&self.0 - &other.0)
    }

    pub(super) fn multiply(&self, other: &Self) -> Result<Self, Error> {
        Self::made(&self.0 * &other.0)
    }

    pub(super) fn divide(&self, other: &Self) -> Result<Self, Error> {
        match other.0.is_zero() {
            true => Err(Error::new("this divides by zero")),
            false => Self::made(&self.0 / &other.0),
        }
    }

    /// The rest of a division, with the sign of the first.
    pub(super) fn modulo(&self, other: &Self) -> Result<Self, Error> {
        match other.0.is_zero() {
            true => Err(Error::new("this divides by zero")),
            false => Self::made(&self.0 % &other.0),
        }
    }

    pub(super) fn negate(&self) -> Self {
        Self(-&self.0)
    }

    pub(super) fn absolute(&self) -> Self {
        Self(self.0.abs())
    }

    pub(super) fn signum(&self) -> Self {
        Self(self.0.signum())
    }

    pub(super) fn floor(&self) -> Self {
        Self(self.0.with_scale_round(0, RoundingMode::Floor).normalized())
    }

    pub(super) fn ceil(&self) -> Self {
        Self(self.0.with_scale_round(0, RoundingMode::Ceiling).normalized())
    }

    /// Without what is behind the point.
    pub(super) fn truncate(&self) -> Self {
        Self(self.0.with_scale_round(0, RoundingMode::Down).normalized())
    }

    /// Rounded to so many digits behind the point, as text.
    pub(super) fn fixed(&self, digits: usize) -> String {
        let scale = i64::try_from(digits.min(2_000)).unwrap_or(0);
        self.0.with_scale_round(scale, RoundingMode::HalfEven).to_plain_string()
    }

    pub(super) fn float(&self) -> f64 {
        self.0.to_f64().unwrap_or(f64::NAN)
    }

    pub(super) fn is_whole(&self) -> bool {
        self.0.is_integer()
    }

    /// As a count, when it is one.
    pub(super) fn whole(&self) -> Option<usize> {
        self.integer()?.to_usize()
    }

    /// As a whole number, when it is one.
    pub(super) fn signed(&self) -> Option<i64> {
        self.integer()?.to_i64()
    }

    fn integer(&self) -> Option<BigInt> {
        if !self.is_whole() {
            return None;
        }
        Some(self.0.with_scale(0).into_bigint_and_scale().0)
    }

    /// The whole part in another base.
    pub(super) fn radix(&self, base: u32) -> String {
        self.0.with_scale_round(0, RoundingMode::Down).into_bigint_and_scale().0.to_str_radix(base)
    }

    /// Reads a whole number in another base.
    pub(super) fn of_radix(text: &str, base: u32) -> Option<Self> {
        let number = (text.len() < 1_000).then(|| BigInt::parse_bytes(text.as_bytes(), base)).flatten()?;
        Self::made(BigDecimal::from(number)).ok()
    }
}

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Self(BigDecimal::from(number as u64))
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self(BigDecimal::from(number))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_plain_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn decimal_digits_are_exact() {
        assert_eq!(number("0.1").add(&number("0.2")).unwrap().to_string(), "0.3");
        assert_eq!(number("1e3").to_string(), "1000");
        assert_eq!(number("-0.50").to_string(), "-0.5");
        assert_eq!(number("123456789012345678901234567890").to_string(), "123456789012345678901234567890");
    }

    #[test]
    fn a_number_without_measure_is_refused() {
        assert!(Number::parse("1e999999").is_none());
        assert!(Number::parse("1e9999999999999999999").is_none());
        let mut large = number("1e1000");
        let error = loop {
            match large.multiply(&large) {
                Ok(next) => large = next,
                Err(error) => break error,
            }
        };
        assert!(error.is_limit());
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", "-", "+1", "1_000", "0x10", "NaN", "inf", "1e", ".", "1.2.3", " 1"] {
            assert!(Number::parse(text).is_none(), "{text}");
        }
    }
}
