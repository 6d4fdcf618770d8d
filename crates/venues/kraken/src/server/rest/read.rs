//! Typed values out of a request's fields, with the venue's error for what cannot be read.
//!
//! Numbers are exact: an exponent, a sign or a second point is an error, never a guess.

use super::fields::Fields;
use crate::server::desk::{Bound, DeskResult, OrderRef, PriceSpec, TimeSpec};
use crate::server::error::KrakenError;
use remora_domain::{DurationNs, Timestamp};
use rust_decimal::Decimal;
use std::str::FromStr;

/// The longest number that is read; [`Decimal`] holds 28 digits.
const NUMBER_BYTES_MAX: usize = 40;
/// What the texts of times leave out: they are written to the microsecond.
const UNWRITTEN: DurationNs = DurationNs::from_ns(999);
const SECOND_NS: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

impl Fields {
    /// Gives the text of a field that must be there.
    pub(super) fn required(&self, name: &'static str) -> DeskResult<&str> {
        self.scalar(name)?.ok_or(KrakenError::InvalidArgument(name))
    }

    /// Gives the text of a field; a list or a structure in its place is an error.
    pub(super) fn scalar(&self, name: &'static str) -> DeskResult<Option<&str>> {
        let text = self.text(name);
        if text.is_none() && self.is_nested(name) {
            return Err(KrakenError::InvalidArgument(name));
        }
        Ok(text)
    }

    /// Reads a field with `parse`; what that cannot read is an error.
    pub(super) fn read<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> DeskResult<Option<T>> {
        let Some(text) = self.scalar(name)? else { return Ok(None) };
        parse(text).map(Some).ok_or(KrakenError::InvalidArgument(name))
    }

    /// Reads a number of zero or more.
    pub(super) fn decimal(&self, name: &'static str) -> DeskResult<Option<Decimal>> {
        self.read(name, decimal)
    }

    /// Reads a whole number.
    pub(super) fn whole<T: FromStr>(&self, name: &'static str) -> DeskResult<Option<T>> {
        self.read(name, |text| text.parse().ok())
    }

    /// Reads a price, relative ones included.
    pub(super) fn price(&self, name: &'static str) -> DeskResult<Option<PriceSpec>> {
        self.read(name, price)
    }

    /// Reads yes or no, in any of the ways clients write them.
    pub(super) fn flag(&self, name: &'static str, default: bool) -> DeskResult<bool> {
        let flag = self.read(name, |text| match text {
            "true" | "True" | "TRUE" | "1" => Some(true),
            "false" | "False" | "FALSE" | "0" => Some(false),
            _ => None,
        })?;
        Ok(flag.unwrap_or(default))
    }

    /// Reads a start or expiry time: Unix seconds, or `+n` seconds from now; 0 is none.
    pub(super) fn moment(&self, name: &'static str) -> DeskResult<Option<TimeSpec>> {
        let moment = self.read(name, |text| match text.strip_prefix('+') {
            Some(seconds) => whole_seconds(seconds).map(TimeSpec::InSeconds),
            None => unix(text).map(TimeSpec::At),
        })?;
        Ok(moment.filter(|moment| *moment != TimeSpec::At(Timestamp::EPOCH)))
    }

    /// Reads a deadline in RFC 3339.
    pub(super) fn deadline(&self) -> DeskResult<Option<Timestamp>> {
        self.read("deadline", |text| crate::time::instant("deadline", text).ok())
    }

    /// Reads one end of a span of history: Unix seconds, or an id. A time stands for all that is written like it, so
    /// that a client which goes on from the last time it saw gets nothing twice.
    pub(super) fn bound(&self, name: &'static str) -> DeskResult<Option<Bound>> {
        self.read(name, |text| {
            let is_number = text.starts_with(|first: char| first.is_ascii_digit());
            if is_number {
                unix(text).map(|time| Bound::At(time.saturating_add(UNWRITTEN)))
            } else {
                Some(Bound::Id(text.to_owned()))
            }
        })
    }

    /// Reads a client's number; 0 is none, as the venue prints it.
    pub(super) fn userref(&self) -> DeskResult<Option<i32>> {
        Ok(self.whole("userref")?.filter(|userref| *userref != 0))
    }

    /// Checks the class of what is traded: this exchange has no tokenised assets.
    pub(super) fn asset_class(&self, name: &'static str) -> DeskResult<AssetClass> {
        let class = self.read(name, |text| match text {
            "currency" | "forex" => Some(AssetClass::Currency),
            "tokenized_asset" => Some(AssetClass::Tokenized),
            _ => None,
        })?;
        Ok(class.unwrap_or(AssetClass::Currency))
    }
}

/// Is a class of assets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AssetClass {
    /// What is listed here.
    Currency,
    /// Of which nothing is listed here.
    Tokenized,
}

/// Reads the name of an order: a client's number or the venue's id.
pub(super) fn order_ref(text: &str) -> OrderRef {
    text.parse().map_or_else(|_| OrderRef::Txid(text.to_owned()), OrderRef::UserRef)
}

/// Reads a plain number of zero or more.
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = text.len() <= NUMBER_BYTES_MAX && is_digits(whole) && is_digits(fraction);
    if is_plain { Decimal::from_str_exact(text).ok() } else { None }
}

/// Reads a price: `37500.1`, or relative as `+100`, `-100`, `#100`, `+2%`, `-2%`, `#2%`.
pub(super) fn price(text: &str) -> Option<PriceSpec> {
    let (number, is_percent) =
        text.strip_suffix('%').map_or((text, false), |number| (number, true));
    let (sign, number) = match number.split_at_checked(1)? {
        (sign @ ("+" | "-" | "#"), rest) => (sign, rest),
        (_, _) => return if is_percent { None } else { decimal(number).map(PriceSpec::Static) },
    };
    let distance = decimal(number)?;
    let offset = if sign == "-" { -distance } else { distance };
    let is_auto = sign == "#";
    Some(if is_percent {
        PriceSpec::Percent { offset, is_auto }
    } else {
        PriceSpec::Quote { offset, is_auto }
    })
}

/// Reads Unix seconds, fractions allowed; what is too far away for 64 bits is the end of time.
pub(super) fn unix(text: &str) -> Option<Timestamp> {
    let ns = decimal(text)?.checked_mul(SECOND_NS)?;
    Some(i64::try_from(ns.trunc()).map_or(Timestamp::MAX, Timestamp::from_ns))
}

fn whole_seconds(text: &str) -> Option<i64> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dec(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    fn fields(form: &str) -> Fields {
        Fields::form(form.as_bytes()).unwrap()
    }

    #[test]
    fn only_plain_numbers_are_numbers() {
        assert_eq!(decimal("0.0500").unwrap().to_string(), "0.0500");
        for text in
            ["", ".", "1.", ".5", "-1", "+1", "1e-5", "2.9e-05", "1,5", " 1", "1.2.3", "NaN", "٣"]
        {
            assert_eq!(decimal(text), None, "{text:?}");
        }
        assert_eq!(decimal(&"9".repeat(39)), None);
    }

    #[test]
    fn prices_may_be_relative() {
        let quote = |offset: &str, is_auto| PriceSpec::Quote { offset: dec(offset), is_auto };
        let percent = |offset: &str, is_auto| PriceSpec::Percent { offset: dec(offset), is_auto };
        for (text, want) in [
            ("37500.1", PriceSpec::Static(dec("37500.1"))),
            ("+100", quote("100", false)),
            ("-0.5", quote("-0.5", false)),
            ("#5", quote("5", true)),
            ("+2%", percent("2", false)),
            ("-2.5%", percent("-2.5", false)),
            ("#2%", percent("2", true)),
        ] {
            assert_eq!(price(text), Some(want), "{text}");
        }
        for text in ["", "2%", "+", "+%", "%", "++1", "#-1", "+1e5", "€5"] {
            assert_eq!(price(text), None, "{text:?}");
        }
    }

    #[test]
    fn times_are_unix_seconds_or_seconds_from_now() {
        let at = |seconds: i64| Some(TimeSpec::At(Timestamp::from_ns(seconds * 1_000_000_000)));
        for (form, want) in [
            ("t=0", None),
            ("", None),
            ("t=1771234567", at(1_771_234_567)),
            ("t=%2B60", Some(TimeSpec::InSeconds(60))),
            ("t=99999999999999", Some(TimeSpec::At(Timestamp::MAX))),
        ] {
            assert_eq!(fields(form).moment("t").unwrap(), want, "{form}");
        }
        // A plus sign that was not escaped arrives as a space.
        for form in ["t=+60", "t=%2B-5", "t=-5", "t=%2B1.5", "t=soon", "t[0]=1"] {
            assert_eq!(fields(form).moment("t"), Err(KrakenError::InvalidArgument("t")), "{form}");
        }
    }

    #[test]
    fn flags_are_read_as_clients_write_them() {
        for (form, want) in [("f=True", true), ("f=false", false), ("f=1", true), ("", true)] {
            assert_eq!(fields(form).flag("f", true).unwrap(), want, "{form}");
        }
        assert!(fields("f=maybe").flag("f", true).is_err());
    }

    #[test]
    fn an_order_is_named_by_a_number_or_an_id() {
        assert_eq!(order_ref("-7"), OrderRef::UserRef(-7));
        let id = "OQCLML-BW3P3-BUCMWZ";
        assert_eq!(order_ref(id), OrderRef::Txid(id.to_owned()));
        assert_eq!(order_ref("99999999999"), OrderRef::Txid("99999999999".to_owned()));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,45}") {
            let _ = (price(&text), decimal(&text), unix(&text), order_ref(&text));
        }
    }
}
