//! Numbers as this venue writes them: floats with a needless `.0`, exponents either way, now and then in quotes. Read exactly
//! from their text.

use remora_domain::Amount;
use remora_venue_api::session::error::FrameError;
use remora_venue_api::session::number;
use rust_decimal::Decimal;
use serde_json::value::RawValue;

const AMOUNT: &str = "a decimal with at most 18 decimals";
const RATE: &str = "a decimal with at most 28 decimals";
const MILLISECONDS: &str = "milliseconds since 1970";
/// Nanoseconds in a millisecond.
const MS: i64 = 1_000_000;

/// Reads a number of zero or more as whole steps of `10^-decimals`.
pub(crate) fn steps(field: &'static str, raw: &RawValue, decimals: u32) -> Result<i64, FrameError> {
    let plain = number::plain(field, raw.get())?;
    number::steps(field, number::trimmed(&plain), decimals)
}

/// Reads an amount.
pub(crate) fn amount<T, E>(
    field: &'static str,
    raw: &RawValue,
    parse: fn(&str) -> Result<T, E>,
) -> Result<T, FrameError> {
    let plain = number::plain(field, raw.get())?;
    parse(&plain).map_err(|_| FrameError::field(field, raw.get(), AMOUNT))
}

/// Reads an amount where there is one: absent and `null` are nothing.
pub(crate) fn optional<T, E>(
    field: &'static str,
    raw: Option<&RawValue>,
    parse: fn(&str) -> Result<T, E>,
) -> Result<Option<T>, FrameError> {
    let told = raw.filter(|raw| raw.get() != "null");
    told.map(|raw| amount(field, raw, parse)).transpose()
}

/// Reads a rate: it is no money, and carries more decimals than an amount.
pub(crate) fn rate(field: &'static str, raw: &RawValue) -> Result<Amount, FrameError> {
    let wrong = || FrameError::field(field, raw.get(), RATE);
    let plain = number::plain(field, raw.get())?;
    let value = Decimal::from_str_exact(&plain).map_err(|_| wrong())?;
    Amount::from_decimal(value).map_err(|_| wrong())
}

/// Reads an instant given as milliseconds.
pub(crate) fn instant(
    field: &'static str,
    ms: i64,
) -> Result<remora_domain::Timestamp, FrameError> {
    let ns = ms.checked_mul(MS).filter(|ns| *ns >= 0);
    let ns = ns.ok_or_else(|| FrameError::field(field, &ms.to_string(), MILLISECONDS))?;
    Ok(remora_domain::Timestamp::from_ns(ns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use remora_domain::{Price, Timestamp};

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn floats_become_whole_steps_without_their_needless_zeros() {
        for (text, decimals, want) in [
            ("20108.0", 0, 20108),
            ("2004.85", 2, 200_485),
            ("438", 1, 4380),
            ("2.5E7", 0, 25_000_000),
            ("1e-10", 10, 1),
            ("0E-11", 0, 0),
            ("\"319499\"", 0, 319_499),
        ] {
            assert_eq!(steps("qty", &raw(text), decimals).unwrap(), want, "{text}");
        }
        for text in ["0.5", "-1", "null", "[]", "1e99"] {
            assert!(steps("qty", &raw(text), 0).is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_and_rates_keep_every_digit() {
        let mark = amount("markPrice", &raw("91506.6009839176"), Price::parse).unwrap();
        assert_eq!(mark.to_string(), "91506.6009839176");
        assert_eq!(
            rate("rate", &raw("-6.2604214e-11")).unwrap().to_string(),
            "-0.000000000062604214"
        );
        assert!(amount("last", &raw("-1"), Price::parse).is_err());
        assert!(optional("last", Some(&raw("null")), Price::parse).unwrap().is_none());
    }

    #[test]
    fn an_instant_outside_the_range_of_time_is_refused() {
        assert_eq!(instant("time", 7).unwrap(), Timestamp::from_ns(7_000_000));
        assert!(instant("time", -1).is_err() && instant("time", i64::MAX).is_err());
    }

    proptest! {
        #[test]
        fn any_number_gives_a_value_or_an_error(text in "-?[0-9]{1,30}(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", decimals in 0u32..30) {
            if let Ok(raw) = RawValue::from_string(text) {
                let _ = steps("price", &raw, decimals);
                let _ = amount("price", &raw, Price::parse);
                let _ = rate("rate", &raw);
            }
        }
    }
}
