//! Small conversions that every message uses: decimals, identifiers, words, optional times.

use crate::WireError;
use crate::generated::types;
use remora_domain::{
    Amount, AmountError, Bps, IdError, InstrumentKey, MessageId, Notional, Position, Price, Qty,
    SessionId, Side, Timestamp,
};
use rust_decimal::Decimal;
use std::str::FromStr;

/// The longest free text accepted (symbols, reasons).
const TEXT_MAX: usize = 400;

/// Is an exact amount of the domain.
pub(crate) trait Exact: Sized {
    fn to_exact(self) -> Decimal;
    fn of_exact(value: Decimal) -> Result<Self, AmountError>;
}

macro_rules! exact {
    ($($name:ident),*) => {$(
        impl Exact for $name {
            fn to_exact(self) -> Decimal {
                self.to_decimal()
            }
            fn of_exact(value: Decimal) -> Result<Self, AmountError> {
                Self::from_decimal(value)
            }
        }
    )*};
}
exact!(Amount, Bps, Notional, Position, Price, Qty);

/// Maps a domain enum to its wire enum and back, by name, both ways in one list.
macro_rules! enum_map {
    ($to:ident, $from:ident, $domain:ty, $wire:ty, { $($d:ident = $w:ident),* $(,)? }) => {
        pub(crate) fn $to(value: $domain) -> i32 {
            match value { $(<$domain>::$d => <$wire>::$w.into(),)* }
        }

        pub(crate) fn $from(field: &'static str, value: i32) -> Result<$domain, $crate::WireError> {
            match <$wire>::try_from(value) {
                $(Ok(<$wire>::$w) => Ok(<$domain>::$d),)*
                Ok(<$wire>::Unspecified) | Err(_) => Err($crate::WireError::Enum { field, value }),
            }
        }
    };
}
pub(crate) use enum_map;

/// As `enum_map`, for what only informs: a value of a later version becomes `Unknown`, so that it does not bury the
/// message around it, which may hold a fill. An unspecified value is still refused.
macro_rules! informative_map {
    ($to:ident, $from:ident, $domain:ty, $wire:ty, { $($d:ident = $w:ident),* $(,)? }) => {
        pub(crate) fn $to(value: $domain) -> i32 {
            match value { $(<$domain>::$d => <$wire>::$w.into(),)* }
        }

        pub(crate) fn $from(field: &'static str, value: i32) -> Result<$domain, $crate::WireError> {
            match <$wire>::try_from(value) {
                $(Ok(<$wire>::$w) => Ok(<$domain>::$d),)*
                Ok(<$wire>::Unspecified) => Err($crate::WireError::Enum { field, value }),
                Err(_) => Ok(<$domain>::Unknown),
            }
        }
    };
}
pub(crate) use informative_map;

enum_map!(side_to, side_from, Side, types::Side, { Buy = Buy, Sell = Sell });

pub(crate) fn need<T>(field: &'static str, value: Option<T>) -> Result<T, WireError> {
    value.ok_or(WireError::Missing { field })
}

pub(crate) fn dec(value: impl Exact) -> Option<types::Decimal> {
    let value = value.to_exact();
    let [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, ..] =
        value.mantissa().unsigned_abs().to_le_bytes();
    Some(types::Decimal {
        low: u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]),
        high: u32::from_le_bytes([b8, b9, b10, b11]),
        scale: value.scale(),
        negative: value.is_sign_negative() && !value.is_zero(),
    })
}

pub(crate) fn amount<T: Exact>(
    field: &'static str,
    value: Option<types::Decimal>,
) -> Result<T, WireError> {
    let types::Decimal { low, high, scale, negative } = need(field, value)?;
    let magnitude = (i128::from(high) << 64) | i128::from(low);
    let mantissa = if negative { magnitude.saturating_neg() } else { magnitude };
    let value = Decimal::try_from_i128_with_scale(mantissa, scale)
        .map_err(|_| WireError::Scale { field, scale })?;
    T::of_exact(value).map_err(|cause| WireError::Amount { field, cause })
}

pub(crate) fn id<T: FromStr<Err = IdError>>(
    field: &'static str,
    text: &str,
) -> Result<T, WireError> {
    text.parse().map_err(|cause| WireError::Id { field, cause })
}

pub(crate) fn key_to(key: &InstrumentKey) -> Option<types::InstrumentKey> {
    Some(types::InstrumentKey {
        venue: key.venue.to_string(),
        instrument: key.instrument.to_string(),
    })
}

pub(crate) fn key_from(
    field: &'static str,
    key: Option<types::InstrumentKey>,
) -> Result<InstrumentKey, WireError> {
    let key = need(field, key)?;
    Ok(InstrumentKey::new(id(field, &key.venue)?, id(field, &key.instrument)?))
}

pub(crate) fn message_id_to(id: &MessageId) -> types::MessageId {
    types::MessageId {
        producer: id.producer.to_string(),
        session: id.session.get(),
        sequence: id.sequence,
    }
}

pub(crate) fn message_id_from(
    field: &'static str,
    wire: &types::MessageId,
) -> Result<MessageId, WireError> {
    Ok(MessageId {
        producer: id(field, &wire.producer)?,
        session: SessionId::new(wire.session),
        sequence: wire.sequence,
    })
}

pub(crate) fn ns(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_ns)
}

pub(crate) fn time(ns: Option<i64>) -> Option<Timestamp> {
    ns.map(Timestamp::from_ns)
}

pub(crate) fn text(field: &'static str, text: String) -> Result<String, WireError> {
    let len = text.chars().count();
    if len > TEXT_MAX { Err(WireError::TextLength { field, len, max: TEXT_MAX }) } else { Ok(text) }
}

pub(crate) fn word<T: Copy>(
    field: &'static str,
    all: &[T],
    as_str: fn(T) -> &'static str,
    word: &str,
) -> Result<T, WireError> {
    let found = all.iter().copied().find(|item| as_str(*item) == word);
    found.ok_or_else(|| WireError::Word { field, word: word.chars().take(60).collect() })
}

pub(crate) fn finite(field: &'static str, value: f64) -> Result<f64, WireError> {
    if value.is_finite() { Ok(value) } else { Err(WireError::NotFinite { field }) }
}

pub(crate) fn finite_opt(
    field: &'static str,
    value: Option<f64>,
) -> Result<Option<f64>, WireError> {
    value.map(|value| finite(field, value)).transpose()
}
