//! Exact amounts. Each is a `rust_decimal::Decimal` (96-bit scaled integer) behind a private field.
//!
//! Invariants: no rounding ever happens without a name; arithmetic that could not be represented exactly is an
//! error; `Display` gives back what was parsed, trailing zeros included. There is no conversion from floats.
//! Text may carry at most 18 decimals, more than any venue uses; a product, or a decimal of an edge, up to the 28 that
//! the type holds.

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// The most decimals the text of an amount may carry.
const DECIMALS_MAX: u32 = 18;

/// Says why an amount could not be made or computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// The text is not a plain decimal number.
    #[error(
        "parse {what} from {text:?}: want a plain decimal number such as 0.00012 with at most {DECIMALS_MAX} decimals"
    )]
    Parse {
        /// Which amount.
        what: &'static str,
        /// The offending text, cut to 40 characters.
        text: String,
    },
    /// The amount must not be below zero.
    #[error("{what} must not be negative, got {value}")]
    Negative {
        /// Which amount.
        what: &'static str,
        /// The offending value.
        value: Decimal,
    },
    /// The exact result does not fit.
    #[error("{what} leaves the exact range")]
    Range {
        /// Which computation.
        what: &'static str,
    },
}

/// Parses plain decimal text exactly: no exponent, no sign but a leading minus, no spaces.
fn parse(what: &'static str, text: &str) -> Result<Decimal, AmountError> {
    let err = || AmountError::Parse { what, text: text.chars().take(40).collect() };
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.bytes().any(|b| b.is_ascii_digit());
    if !plain {
        return Err(err());
    }
    let value = Decimal::from_str_exact(text).map_err(|_| err())?;
    if value.scale() > DECIMALS_MAX { Err(err()) } else { Ok(value) }
}

/// Adds exactly: the result must keep the larger scale of the two.
fn add(what: &'static str, a: Decimal, b: Decimal) -> Result<Decimal, AmountError> {
    let sum = a.checked_add(b).ok_or(AmountError::Range { what })?;
    let exact = a.is_zero() || b.is_zero() || sum.scale() == a.scale().max(b.scale());
    if exact { Ok(sum) } else { Err(AmountError::Range { what }) }
}

/// Multiplies exactly: the scales must add up in the result.
fn mul(what: &'static str, a: Decimal, b: Decimal) -> Result<Decimal, AmountError> {
    let product = a.checked_mul(b).ok_or(AmountError::Range { what })?;
    let exact = a.is_zero() || b.is_zero() || product.scale() == a.scale() + b.scale();
    if exact { Ok(product) } else { Err(AmountError::Range { what }) }
}

macro_rules! amount {
    ($(#[$doc:meta])* $name:ident, $what:literal, signed = $signed:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Decimal);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(Decimal::ZERO);

            /// Parses plain decimal text exactly.
            ///
            /// # Errors
            /// Refuses anything but a plain decimal in range with at most 18 decimals.
            pub fn parse(text: &str) -> Result<Self, AmountError> {
                Self::from_decimal(parse($what, text)?)
            }

            /// Takes a decimal from an edge (SQL, configuration, wire).
            ///
            /// # Errors
            /// Refuses negative values of unsigned amounts. A decimal holds at most 28 decimals by itself.
            pub fn from_decimal(value: Decimal) -> Result<Self, AmountError> {
                if !$signed && value.is_sign_negative() && !value.is_zero() {
                    return Err(AmountError::Negative { what: $what, value });
                }
                Ok(Self(value))
            }

            /// Gives the decimal for an edge (SQL, display, wire).
            #[must_use]
            pub const fn to_decimal(self) -> Decimal {
                self.0
            }

            /// Tells whether the amount is zero.
            #[must_use]
            pub fn is_zero(self) -> bool {
                self.0.is_zero()
            }

            /// Adds exactly.
            ///
            /// # Errors
            /// Refuses a result outside the exact range.
            pub fn checked_add(self, other: Self) -> Result<Self, AmountError> {
                Self::from_decimal(add(concat!($what, " sum"), self.0, other.0)?)
            }

            /// Subtracts exactly.
            ///
            /// # Errors
            /// Refuses a result outside the exact range; for unsigned amounts, a negative one.
            pub fn checked_sub(self, other: Self) -> Result<Self, AmountError> {
                Self::from_decimal(add(concat!($what, " difference"), self.0, -other.0)?)
            }

            /// Gives the value as a float, for estimators only.
            #[must_use]
            pub fn to_est(self) -> f64 {
                use rust_decimal::prelude::ToPrimitive;
                self.0.to_f64().unwrap_or(f64::NAN)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = AmountError;
            fn from_str(text: &str) -> Result<Self, AmountError> {
                Self::parse(text)
            }
        }

        /// Writes the 16 bytes of the decimal: all digits and the scale, as they are.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize().serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let decimal = Decimal::deserialize(<[u8; 16]>::deserialize(deserializer)?);
                Self::from_decimal(decimal).map_err(serde::de::Error::custom)
            }
        }
    };
}

amount!(
    /// Is a price: quote currency per unit of base. Never negative.
    Price, "price", signed = false
);
amount!(
    /// Is an unsigned quantity in base units; its direction is a [`crate::Side`].
    Qty, "quantity", signed = false
);
amount!(
    /// Is a signed amount of quote currency: price × quantity × multiplier, or a sum of such.
    Notional, "notional", signed = true
);
amount!(
    /// Is a signed amount of one asset: a balance, a change of a balance.
    Amount, "amount", signed = true
);
amount!(
    /// Is a signed holding of one instrument in base units: positive long, negative short.
    Position, "position", signed = true
);
amount!(
    /// Is a ratio in basis points (1e-4): fees, spreads, collars. May be negative (a rebate).
    Bps, "bps", signed = true
);
amount!(
    /// Is a conversion rate: units of the reporting currency for one unit of an asset.
    Rate, "rate", signed = false
);

impl Price {
    /// Computes the exact middle of two prices.
    ///
    /// # Errors
    /// Refuses a result outside the exact range.
    pub fn checked_mid(self, other: Self) -> Result<Self, AmountError> {
        let sum = add("price sum", self.0, other.0)?;
        Ok(Self(mul("mid price", sum, Decimal::new(5, 1))?))
    }

    /// Computes price × quantity × multiplier exactly.
    ///
    /// # Errors
    /// Refuses a result outside the exact range.
    pub fn checked_notional(self, qty: Qty, multiplier: Qty) -> Result<Notional, AmountError> {
        let one = multiplier.0 == Decimal::ONE;
        let product = mul("notional", self.0, qty.0)?;
        Ok(Notional(if one { product } else { mul("notional", product, multiplier.0)? }))
    }
}

impl Notional {
    /// Computes this amount × bps / 10,000 exactly, as for a fee.
    ///
    /// # Errors
    /// Refuses a result outside the exact range.
    pub fn checked_bps(self, bps: Bps) -> Result<Self, AmountError> {
        let ratio = mul("bps ratio", bps.0, Decimal::new(1, 4))?;
        Ok(Self(mul("notional share", self.0, ratio)?))
    }

    /// Converts to the reporting currency exactly.
    ///
    /// # Errors
    /// Refuses a result outside the exact range.
    pub fn checked_convert(self, rate: Rate) -> Result<Self, AmountError> {
        Ok(Self(mul("converted notional", self.0.normalize(), rate.0.normalize())?))
    }

    /// Gives the size of the amount without its sign.
    #[must_use]
    pub fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// Gives the amount with its sign turned.
    #[must_use]
    pub fn negated(self) -> Self {
        Self(-self.0)
    }

    /// Reads the amount as an amount of the quote asset.
    #[must_use]
    pub const fn as_amount(self) -> Amount {
        Amount(self.0)
    }
}

impl Amount {
    /// Gives the amount with its sign turned.
    #[must_use]
    pub fn negated(self) -> Self {
        Self(-self.0)
    }

    /// Reads the amount as a notional in its own asset.
    #[must_use]
    pub const fn as_notional(self) -> Notional {
        Notional(self.0)
    }
}

impl Position {
    /// Reads a quantity as a position in the direction of `side`.
    #[must_use]
    pub fn of(side: crate::Side, qty: Qty) -> Self {
        match side {
            crate::Side::Buy => Self(qty.0),
            crate::Side::Sell => Self(-qty.0),
        }
    }

    /// Gives the size of the position without its sign.
    #[must_use]
    pub fn abs(self) -> Qty {
        Qty(self.0.abs())
    }

    /// Tells the side that increased this position, if it is not flat.
    #[must_use]
    pub fn side(self) -> Option<crate::Side> {
        if self.0.is_zero() {
            None
        } else if self.0.is_sign_negative() {
            Some(crate::Side::Sell)
        } else {
            Some(crate::Side::Buy)
        }
    }
}

impl Qty {
    /// Reads the quantity as an amount of the base asset.
    #[must_use]
    pub const fn as_amount(self) -> Amount {
        Amount(self.0)
    }

    /// Gives the smaller of two quantities.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        std::cmp::Ord::min(self, other)
    }
}

/// Is a price as a whole number of book steps: `price × 10^price_decimals` of its instrument.
///
/// Books and ladders count in these; the instrument's tick may be several of them, because orders
/// entered before a tick change keep resting at the finer price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(i64);

/// Is a quantity as a whole number of book steps: `quantity × 10^qty_decimals` of its instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lots(i64);

macro_rules! steps {
    ($name:ident) => {
        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);
            /// Takes a whole number of steps.
            #[must_use]
            pub const fn new(steps: i64) -> Self {
                Self(steps)
            }
            /// Gives the whole number of steps.
            #[must_use]
            pub const fn get(self) -> i64 {
                self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}
steps!(Ticks);
steps!(Lots);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn display_gives_back_what_was_parsed() {
        for text in ["0.00005100", "354.80", "0", "12", "0.10000000"] {
            assert_eq!(Price::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn text_that_is_not_a_plain_decimal_is_refused() {
        for text in
            ["", "-", ".", "1e-8", "+1", " 1", "1_000", "NaN", "0.1234567890123456789", "1..2"]
        {
            assert!(Price::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_price_or_quantity_below_zero_is_refused() {
        assert!(Price::parse("-1").is_err());
        assert!(Qty::parse("1").unwrap().checked_sub(Qty::parse("2").unwrap()).is_err());
    }

    #[test]
    fn a_notional_is_exact_or_an_error() {
        let px = Price::parse("56218.30000").unwrap();
        let qty = Qty::parse("0.00000001").unwrap();
        let one = Qty::parse("1").unwrap();
        assert_eq!(px.checked_notional(qty, one).unwrap().to_string(), "0.0005621830000");
        let fine = Qty::parse("0.123456789012345678").unwrap();
        let px = Price::parse("79228162514.264337593543").unwrap();
        assert!(px.checked_notional(fine, one).is_err());
    }

    proptest! {
        #[test]
        fn sums_and_differences_are_inverse(a in -1_000_000_000i64..1_000_000_000, b in -1_000_000_000i64..1_000_000_000, s in 0u32..10, t in 0u32..10) {
            let x = Notional::from_decimal(Decimal::new(a, s)).unwrap();
            let y = Notional::from_decimal(Decimal::new(b, t)).unwrap();
            prop_assert_eq!(x.checked_add(y).unwrap().checked_sub(y).unwrap(), x);
        }

        #[test]
        fn any_text_gives_a_value_or_an_error(text in "\\PC{0,40}") {
            let _ = Price::parse(&text);
        }
    }
}
