//! RFC 3339 instants as the venue writes them: UTC, up to nine fractional digits, the `Z` sometimes missing.

use crate::FrameError;
use remora_domain::Timestamp;

const ALLOWED: &str =
    "an RFC 3339 instant in UTC from 1970 to 2261, such as 2026-07-19T17:54:39.768901Z";

/// Reads an instant.
pub(crate) fn instant(field: &'static str, text: &str) -> Result<Timestamp, FrameError> {
    parse(text).ok_or_else(|| FrameError::field(field, text, ALLOWED))
}

fn parse(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once('T')?;
    let time = time.strip_suffix('Z').or_else(|| time.strip_suffix("+00:00")).unwrap_or(time);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));

    let mut parts = date.split('-');
    let (year, month, day) =
        (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let mut clock_parts = clock.split(':');
    let (hour, minute, second) = (
        digits(clock_parts.next()?, 2)?,
        digits(clock_parts.next()?, 2)?,
        digits(clock_parts.next()?, 2)?,
    );
    let is_whole = parts.next().is_none() && clock_parts.next().is_none();
    let in_range = (1970..=2261).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60; // a leap second
    if !is_whole || !in_range {
        return None;
    }
    let seconds = ((days_before(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    let ns = seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds(fraction)?)?;
    Some(Timestamp::from_ns(ns))
}

fn digits(text: &str, length: usize) -> Option<i64> {
    let good = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if good { text.parse().ok() } else { None }
}

fn nanoseconds(fraction: &str) -> Option<i64> {
    let missing = 9_usize.checked_sub(fraction.len())?;
    let scale = 10_i64.checked_pow(u32::try_from(missing).ok()?)?;
    digits(fraction, fraction.len())?.checked_mul(scale)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts the days from the epoch to a date from 1970 on.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let past = year - 1;
    let leap_days = past / 4 - past / 100 + past / 400 - 477; // 477 leap days before 1970
    let months: i64 = (1..month).map(|before| days_in(year, before)).sum();
    (year - 1970) * 365 + leap_days + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn instants_are_read_to_the_nanosecond() {
        for (text, ns) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-07-19T17:54:39.768901Z", 1_784_483_679_768_901_000),
            ("2024-02-29T23:59:59.123456789Z", 1_709_251_199_123_456_789),
            ("2000-03-01T00:00:00", 951_868_800_000_000_000),
            ("2026-08-16T23:37:05.7+00:00", 1_786_923_425_700_000_000),
        ] {
            assert_eq!(instant("timestamp", text).unwrap().as_ns(), ns, "{text}");
        }
    }

    #[test]
    fn text_that_is_no_instant_is_refused() {
        for text in [
            "",
            "T",
            "2026-13-01T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2026-01-01 00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.1234567890Z",
            "1969-12-31T23:59:59Z",
            "2026-01-01T00:00:00+02:00",
            "2026-01-01-01T00:00:00Z",
        ] {
            assert!(instant("timestamp", text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_an_instant_or_an_error(text in "[0-9TZ:.+-]{0,32}") {
            let _ = instant("timestamp", &text);
        }
    }
}
