//! Reading what the venue sends, without showing what it says of the account.
//!
//! Errors name what was read and which field; of the text they keep its shape only: names of members, with every value
//! masked. Numbers go from their text to exact amounts.

use crate::{number, time};
use remora_domain::{Notional, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fmt;

/// The longest text read.
pub(super) const TEXT_BYTES_MAX: usize = 16 << 20;
/// The most characters of a shape.
const SHAPE_CHARS: usize = 100;

/// Says what could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) what: &'static str,
    pub(super) field: &'static str,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: cannot read {}", self.what, self.field)
    }
}

impl Unreadable {
    pub(super) const fn new(what: &'static str, field: &'static str) -> Self {
        Self { what, field }
    }
}

/// Reads a JSON object of a known form.
pub(super) fn object<'a, T: Deserialize<'a>>(
    what: &'static str,
    text: &'a str,
) -> Result<T, Unreadable> {
    // Without this a JSON array would be read as an object by position.
    let is_object = text.len() <= TEXT_BYTES_MAX && text.trim_start().starts_with('{');
    let read = if is_object { serde_json::from_str(text).ok() } else { None };
    read.ok_or(Unreadable::new(what, "its form"))
}

/// Reads a JSON list of a known form.
pub(super) fn list<'a, T: Deserialize<'a>>(
    what: &'static str,
    text: &'a str,
) -> Result<Vec<T>, Unreadable> {
    serde_json::from_str(text).map_err(|_| Unreadable::new(what, "its form"))
}

/// Reads a number, or a number in quotes, exactly.
pub(super) fn amount<T, E>(
    what: &'static str,
    field: &'static str,
    raw: Option<&RawValue>,
    parse: fn(&str) -> Result<T, E>,
) -> Result<T, Unreadable> {
    let wrong = Unreadable::new(what, field);
    let text = number::plain(field, raw.ok_or(wrong)?.get()).map_err(|_| wrong)?;
    parse(&text).map_err(|_| wrong)
}

/// Reads an amount that may be left out.
pub(super) fn optional<T, E>(
    what: &'static str,
    field: &'static str,
    raw: Option<&RawValue>,
    parse: fn(&str) -> Result<T, E>,
) -> Result<Option<T>, Unreadable> {
    raw.map(|raw| amount(what, field, Some(raw), parse)).transpose()
}

/// Reads what a trade moved in the quote asset.
pub(super) fn cost(
    what: &'static str,
    field: &'static str,
    raw: Option<&RawValue>,
) -> Result<Notional, Unreadable> {
    let cost = amount(what, field, raw, Notional::parse)?;
    if cost < Notional::ZERO { Err(Unreadable::new(what, field)) } else { Ok(cost) }
}

/// Reads an RFC 3339 instant.
pub(super) fn instant(
    what: &'static str,
    field: &'static str,
    text: Option<&str>,
) -> Result<Timestamp, Unreadable> {
    let wrong = Unreadable::new(what, field);
    time::instant(field, text.ok_or(wrong)?).map_err(|_| wrong)
}

/// Reads seconds since the epoch with up to nine decimals.
pub(super) fn unix_seconds(
    what: &'static str,
    field: &'static str,
    raw: Option<&RawValue>,
) -> Result<Timestamp, Unreadable> {
    let wrong = Unreadable::new(what, field);
    let text = number::plain(field, raw.ok_or(wrong)?.get()).map_err(|_| wrong)?;
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    // Floats of the venue may carry more digits than there are nanoseconds.
    let fraction: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let ns = format!("{whole}{fraction}").parse().map_err(|_| wrong)?;
    Ok(Timestamp::from_ns(ns))
}

/// Gives the shape of a text for people: names of members stay, values and digits do not.
pub(super) fn shape(text: &str) -> String {
    let mut shown = String::new();
    let mut chars = text.chars().take(TEXT_BYTES_MAX).peekable();
    let mut count = 0_usize;
    while let Some(letter) = chars.next() {
        if count >= SHAPE_CHARS {
            break;
        }
        match letter {
            '"' => {
                let mut inner = String::new();
                while let Some(next) = chars.next() {
                    match next {
                        '"' => break,
                        '\\' => drop(chars.next()),
                        _ if inner.len() < 40 => inner.push(next),
                        _ => {}
                    }
                }
                let is_name = chars.peek() == Some(&':')
                    && inner.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                let inner = if is_name { inner } else { "*".to_owned() };
                count += inner.len() + 2;
                shown.push_str(&format!("\"{inner}\""));
            }
            '{' | '}' | '[' | ']' | ':' | ',' | '<' | '>' => {
                count += 1;
                shown.push(letter);
            }
            _ if shown.ends_with('*') => {}
            _ => {
                count += 1;
                shown.push('*');
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use remora_domain::Qty;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn a_shape_keeps_names_and_no_value() {
        let text = r#"{"data":[{"order_id":"OAAA-B","last_qty":1.25,"ABC":true}],"x1":"\"q"}"#;
        let want = r#"{"data":[{"order_id":"*","last_qty":*,"*":*}],"*":"*"}"#;
        assert_eq!(shape(text), want);
        assert_eq!(shape("<html>Error 520</html>"), "<*>*<*>");
    }

    #[test]
    fn amounts_are_read_from_numbers_and_from_texts() {
        for text in ["0.0500", "\"0.0500\"", "500e-4"] {
            let qty = amount("item", "last_qty", Some(&raw(text)), Qty::parse).unwrap();
            assert_eq!(qty, Qty::parse("0.05").unwrap());
        }
        let error = amount("item", "last_qty", Some(&raw("-1")), Qty::parse).unwrap_err();
        assert_eq!(error.to_string(), "item: cannot read last_qty");
        assert!(amount("item", "last_qty", None, Qty::parse).is_err());
    }

    #[test]
    fn seconds_are_read_to_the_nanosecond() {
        for (text, ns) in [
            ("1688585840.8921", 1_688_585_840_892_100_000),
            ("1688585840", 1_688_585_840_000_000_000),
            ("1688585840.12345678901", 1_688_585_840_123_456_789),
        ] {
            let read = unix_seconds("trade", "time", Some(&raw(text))).unwrap();
            assert_eq!(read.as_ns(), ns);
        }
        assert!(unix_seconds("trade", "time", Some(&raw("1e300"))).is_err());
    }

    proptest! {
        #[test]
        fn no_digit_of_any_text_is_shown(text in "\\PC{0,200}") {
            prop_assert!(!shape(&text).chars().any(|letter| letter.is_ascii_digit()));
        }
    }
}
